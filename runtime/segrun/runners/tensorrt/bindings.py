"""CUDA through cuda-bindings, with the names of pycuda.driver: for machines where pycuda cannot be built."""

import importlib
import threading
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from segdata.text import printable

_OUT_OF_MEMORY = 2  # cuda.h: CUDA_ERROR_OUT_OF_MEMORY
_NEW_CONTEXTS = 13000  # from CUDA 13 on, cuCtxCreate is cuCtxCreate_v4, with one parameter more
_LONGEST = 256  # bytes of a GPU's name


def find_bindings() -> Any | None:  # noqa: ANN401 - untyped
    """Return cuda.bindings.driver, of the package cuda-bindings, or None if it cannot be imported."""
    try:
        return importlib.import_module("cuda.bindings.driver")
    except ImportError:
        return None


class CudaError(Exception):
    """An error that CUDA reported."""


class CudaMemoryError(CudaError):
    """There is no memory left."""


def call(bindings: Any, name: str, *arguments: Any) -> Any:  # noqa: ANN401
    """Return the results of a function of cuda-bindings; raise CudaError if it fails, or does not exist."""
    try:
        result, *values = getattr(bindings, name)(*arguments)
    except (AttributeError, RuntimeError) as error:  # an older cuda-bindings, an older driver, or none
        raise CudaError(printable(f"{name} cannot be called: {error}")) from error
    if int(result) != 0:
        kind = CudaMemoryError if int(result) == _OUT_OF_MEMORY else CudaError
        raise kind(f"{name} failed: {getattr(result, 'name', result)}")
    return values[0] if values else None


class BindingsDriver:
    """The part of pycuda.driver that a Device needs, by the same rules.

    A context that is detached in another thread than its own is only forgotten; objects of a forgotten or detached
    context need no freeing; and failing to free raises nothing.
    """

    Error = CudaError
    MemoryError = CudaMemoryError

    def __init__(self, bindings: Any) -> None:  # noqa: ANN401
        """Drive CUDA through `bindings`, which is cuda.bindings.driver."""
        self._bindings = bindings
        self._mine = threading.local()
        flags = bindings.CUevent_flags
        self.event_flags = SimpleNamespace(
            BLOCKING_SYNC=int(flags.CU_EVENT_BLOCKING_SYNC), DISABLE_TIMING=int(flags.CU_EVENT_DISABLE_TIMING)
        )
        self.Context = SimpleNamespace(pop=self._pop, synchronize=lambda: self.call("cuCtxSynchronize"))
        self.Device = type("Device", (_Device,), {"driver": self})

    def call(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401
        """Call a function of CUDA's driver; raise CudaError if it fails."""
        return call(self._bindings, name, *arguments)

    @property
    def stack(self) -> list["_Context"]:
        """The contexts of this thread, the current one last."""
        if not hasattr(self._mine, "stack"):
            self._mine.stack = []
        stack: list[_Context] = self._mine.stack
        return stack

    @property
    def makes_new_contexts(self) -> bool:
        """Whether cuCtxCreate is CUDA 13's."""
        return int(self._bindings.CUDA_VERSION) >= _NEW_CONTEXTS

    def init(self) -> None:
        """Load the driver."""
        self.call("cuInit", 0)

    def get_driver_version(self) -> int:
        """Return the CUDA version of the driver: 13000 is 13.0."""
        return int(self.call("cuDriverGetVersion"))

    def mem_alloc(self, size: int) -> "_DeviceMemory":
        """Return `size` bytes of device memory."""
        return _DeviceMemory(self, self.call("cuMemAlloc", size))

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: type[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return page-locked host memory as an array, whose `base` frees it."""
        return np.asarray(_HostMemory(self, self.call("cuMemHostAlloc", int(np.prod(shape)), 0), shape))

    def Stream(self) -> "_Stream":  # noqa: N802 - pycuda's name
        """Return a stream that waits for the default stream, as pycuda's do."""
        return _Stream(self, self.call("cuStreamCreate", 0))

    def Event(self, flags: int = 0) -> "_Event":  # noqa: N802
        """Return an event."""
        return _Event(self, self.call("cuEventCreate", flags))

    def memcpy_htod_async(self, memory: "_DeviceMemory", host: npt.NDArray[np.uint8], stream: "_Stream") -> None:
        """Enqueue a copy to device memory on a stream."""
        self.call("cuMemcpyHtoDAsync", memory.handle, host.ctypes.data, host.nbytes, stream.handle)

    def memcpy_dtoh_async(self, host: npt.NDArray[np.uint8], memory: "_DeviceMemory", stream: "_Stream") -> None:
        """Enqueue a copy from device memory on a stream."""
        self.call("cuMemcpyDtoHAsync", host.ctypes.data, memory.handle, host.nbytes, stream.handle)

    def _pop(self) -> None:
        self.call("cuCtxPopCurrent")
        self.stack.pop()


class _Device:
    """A GPU by its number."""

    driver: BindingsDriver

    def __init__(self, number: int) -> None:
        self._handle = self.driver.call("cuDeviceGet", number)

    @classmethod
    def count(cls) -> int:
        """Return how many GPUs there are."""
        return int(cls.driver.call("cuDeviceGetCount"))

    def name(self) -> str:
        """Return its name."""
        return self._text("cuDeviceGetName")

    def pci_bus_id(self) -> str:
        """Return its place on the PCI bus: 0000:01:00.0."""
        return self._text("cuDeviceGetPCIBusId")

    def compute_capability(self) -> tuple[int, int]:
        """Return its compute capability."""
        attributes = self.driver._bindings.CUdevice_attribute
        major = self.driver.call(
            "cuDeviceGetAttribute", attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, self._handle
        )
        minor = self.driver.call(
            "cuDeviceGetAttribute", attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, self._handle
        )
        return int(major), int(minor)

    def make_context(self) -> "_Context":
        """Return a new context, which is current."""
        new = [None] if self.driver.makes_new_contexts else []
        made = _Context(self.driver, self.driver.call("cuCtxCreate", *new, 0, self._handle))
        self.driver.stack.append(made)
        return made

    def _text(self, name: str) -> str:
        text: bytes = self.driver.call(name, _LONGEST, self._handle)
        return text.split(b"\0")[0].decode(errors="replace")


class _Context:
    """A context, alive until it is detached."""

    def __init__(self, driver: BindingsDriver, handle: Any) -> None:  # noqa: ANN401
        self._driver, self._handle = driver, handle
        self._thread = threading.get_ident()
        self.alive = True

    def push(self) -> None:
        """Make it current."""
        self._driver.call("cuCtxPushCurrent", self._handle)
        self._driver.stack.append(self)

    def detach(self) -> None:
        """Destroy it with everything in it; in another thread than its own, forget it."""
        self.alive = False
        with suppress(ValueError):
            self._driver.stack.remove(self)
        if threading.get_ident() == self._thread:
            with suppress(CudaError):
                self._driver.call("cuCtxDestroy", self._handle)


class _Owned:
    """An object of the context that was current when it was made; freed once."""

    freed_by = ""

    def __init__(self, driver: BindingsDriver, handle: Any) -> None:  # noqa: ANN401
        self._driver, self.handle = driver, handle
        self._context: _Context | None = driver.stack[-1] if driver.stack else None

    def free(self) -> None:
        """Free it."""
        context, self._context = self._context, None
        if context is not None and context.alive:
            with suppress(CudaError):
                self._driver.call(self.freed_by, self.handle)

    def __del__(self) -> None:
        self.free()


class _DeviceMemory(_Owned):
    """Memory of the GPU."""

    freed_by = "cuMemFree"

    def __int__(self) -> int:
        return int(self.handle)


class _HostMemory(_Owned):
    """Page-locked memory of the host, as NumPy reads it."""

    freed_by = "cuMemFreeHost"

    def __init__(self, driver: BindingsDriver, handle: Any, shape: tuple[int, ...]) -> None:  # noqa: ANN401
        super().__init__(driver, handle)
        self.__array_interface__ = {"shape": shape, "typestr": "|u1", "data": (int(handle), False), "version": 3}


class _Stream(_Owned):
    """A stream."""

    freed_by = "cuStreamDestroy"

    def synchronize(self) -> None:
        """Wait for everything on it."""
        self._driver.call("cuStreamSynchronize", self.handle)


class _Event(_Owned):
    """An event."""

    freed_by = "cuEventDestroy"

    def record(self, stream: _Stream) -> None:
        """Record it after what is on `stream` now."""
        self._driver.call("cuEventRecord", self.handle, stream.handle)

    def synchronize(self) -> None:
        """Wait for what was recorded."""
        self._driver.call("cuEventSynchronize", self.handle)
