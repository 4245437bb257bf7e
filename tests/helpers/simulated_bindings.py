"""cuda.bindings.driver on the simulated device: the same device as pycuda's, and graphs."""

from collections.abc import Callable
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np

from helpers.simulated_device import Simulation, Work
from helpers.simulated_pycuda import Error, OutOfMemoryError


class CUresult(IntEnum):
    """The result of a call of CUDA's driver."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_UNKNOWN = 999


def bindings_of(simulation: Simulation) -> SimpleNamespace:
    """Return the module for one simulated device; every function returns its CUresult first."""
    return SimpleNamespace(**vars(_driver_of(simulation)), **vars(_graphs_of(simulation)))


def _driver_of(simulation: Simulation) -> SimpleNamespace:
    """Return the functions that pycuda has, too; a handle is pycuda's object, or an address."""
    pycuda = simulation.driver
    held: dict[int, Any] = {}

    def tried(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
        def result(*arguments: Any) -> tuple[Any, ...]:  # noqa: ANN401
            try:
                return CUresult.CUDA_SUCCESS, function(*arguments)
            except OutOfMemoryError:
                return CUresult.CUDA_ERROR_OUT_OF_MEMORY, None
            except Error:
                return CUresult.CUDA_ERROR_UNKNOWN, None

        return result

    def keep(handle: int, thing: object) -> int:
        held[handle] = thing
        return handle

    def make_context(new: None, flags: int, number: int) -> int:
        made = pycuda.Device(number).make_context()
        return keep(made.key, made)

    def make_stream(flags: int) -> int:
        made = pycuda.Stream()
        return keep(made.handle, made)

    def make_event(flags: int) -> int:
        made = pycuda.Event(flags)
        return keep(made.key, made)

    def alloc(size: int) -> int:
        made = pycuda.mem_alloc(size)
        return keep(int(made), made)

    def alloc_host(size: int, flags: int) -> int:
        made = pycuda.pagelocked_empty((size,), np.uint8)
        return keep(made.ctypes.data, made)

    def page_locked(address: int, size: int) -> np.ndarray:
        array = held.get(address)
        if array is None:
            raise simulation.violation("an asynchronous copy from or to memory that is not page-locked")
        if array.nbytes != size:
            raise simulation.violation("a copy of a part of page-locked memory")
        return np.asarray(array)

    def attribute(which: int, number: int) -> int:
        return int(pycuda.Device(number).compute_capability()[which])

    def get(number: int) -> int:
        pycuda.Device(number)
        return number

    functions: dict[str, Callable[..., Any]] = {
        "cuInit": lambda flags: pycuda.init(),
        "cuDriverGetVersion": pycuda.get_driver_version,
        "cuDeviceGet": get,
        "cuDeviceGetCount": pycuda.Device.count,
        "cuDeviceGetName": lambda size, number: pycuda.Device(number).name().encode().ljust(size, b"\0"),
        "cuDeviceGetPCIBusId": lambda size, number: pycuda.Device(number).pci_bus_id().encode().ljust(size, b"\0"),
        "cuDeviceGetAttribute": attribute,
        "cuCtxCreate": make_context,
        "cuCtxPushCurrent": lambda handle: held[handle].push(),
        "cuCtxPopCurrent": pycuda.Context.pop,
        "cuCtxSynchronize": pycuda.Context.synchronize,
        "cuCtxDestroy": lambda handle: held.pop(handle).detach(),
        "cuStreamCreate": make_stream,
        "cuStreamSynchronize": lambda handle: held[handle].synchronize(),
        "cuStreamDestroy": lambda handle: held.pop(handle) and None,
        "cuEventCreate": make_event,
        "cuEventRecord": lambda handle, stream: held[handle].record(held[stream]),
        "cuEventSynchronize": lambda handle: held[handle].synchronize(),
        "cuEventDestroy": lambda handle: held.pop(handle) and None,
        "cuMemAlloc": alloc,
        "cuMemFree": lambda handle: held.pop(handle).free(),
        "cuMemHostAlloc": alloc_host,
        "cuMemFreeHost": lambda address: held.pop(address).base.free(),
        "cuMemcpyHtoDAsync": lambda to, address, size, stream: pycuda.memcpy_htod_async(
            held[to], page_locked(address, size), held[stream]
        ),
        "cuMemcpyDtoHAsync": lambda address, source, size, stream: pycuda.memcpy_dtoh_async(
            page_locked(address, size), held[source], held[stream]
        ),
    }
    return SimpleNamespace(
        CUDA_VERSION=13000,
        CUevent_flags=SimpleNamespace(CU_EVENT_BLOCKING_SYNC=1, CU_EVENT_DISABLE_TIMING=2),
        CUdevice_attribute=SimpleNamespace(
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR=0, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR=1
        ),
        **{name: tried(function) for name, function in functions.items()},
    )


def _graphs_of(simulation: Simulation) -> SimpleNamespace:
    graphs: dict[int, list[Callable[[], Work]]] = {}

    def result(name: str, frees: bool = False) -> Any:  # noqa: ANN401
        simulation.require_current(name)
        return CUresult.CUDA_ERROR_UNKNOWN if simulation.fails(name, frees) else CUresult.CUDA_SUCCESS

    def begin(stream: int, mode: str) -> tuple[object]:
        assert mode == "THREAD_LOCAL"
        code = result("cuStreamBeginCapture")
        if code is CUresult.CUDA_SUCCESS:
            simulation.queues[stream].capture = []
        return (code,)

    def end(stream: int) -> tuple[object, int | None]:
        work, simulation.queues[stream].capture = simulation.queues[stream].capture, None
        if result("cuStreamEndCapture") is not CUresult.CUDA_SUCCESS:
            return CUresult.CUDA_ERROR_UNKNOWN, None
        key = simulation.make("a graph")
        graphs[key] = list(work or [])
        return CUresult.CUDA_SUCCESS, key

    def instantiate(graph: int, flags: int) -> tuple[object, int | None]:
        if result("cuGraphInstantiate") is not CUresult.CUDA_SUCCESS:
            return CUresult.CUDA_ERROR_UNKNOWN, None
        key = simulation.make("an executable graph")
        graphs[key] = graphs[graph]
        return CUresult.CUDA_SUCCESS, key

    def launch(executable: int, stream: int) -> tuple[object]:
        code = result("cuGraphLaunch")
        if code is CUresult.CUDA_SUCCESS:
            for make in graphs[executable]:
                simulation.enqueue(stream, make)
        return (code,)

    def destroy(name: str) -> Callable[[int], tuple[object]]:
        def free(key: int) -> tuple[object]:
            simulation.drop(key)
            return (result(name, frees=True),)

        return free

    return SimpleNamespace(
        CUstreamCaptureMode=SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL="THREAD_LOCAL"),
        cuStreamBeginCapture=begin,
        cuStreamEndCapture=end,
        cuGraphInstantiate=instantiate,
        cuGraphLaunch=launch,
        cuGraphDestroy=destroy("cuGraphDestroy"),
        cuGraphExecDestroy=destroy("cuGraphExecDestroy"),
    )
