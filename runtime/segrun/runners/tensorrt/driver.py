"""CUDA's driver and its GPUs: through pycuda, or through cuda-bindings where pycuda is not installed."""

from typing import Any, NamedTuple

from segdata.errors import InputError, MissingDependencyError
from segdata.text import printable
from segrun.runners.tensorrt.bindings import BindingsDriver, find_bindings

_NOT_IN_OLD_DRIVERS = "cuCtxCreate_v4"  # came with CUDA 12.5; pycuda calls it if CUDA 13's headers built it


class GpuFacts(NamedTuple):
    """A GPU: its name, compute capability such as "7.5", and PCI bus id such as "0000:01:00.0"."""

    name: str
    compute_capability: str
    pci_bus_id: str


def load_driver() -> Any:  # noqa: ANN401 - pycuda is untyped
    """Return pycuda.driver, or its equivalent on cuda-bindings if pycuda is not installed.

    Raises MissingDependencyError if there is neither, or pycuda does not fit the NVIDIA driver.
    """
    try:
        import pycuda.driver
    except ImportError as error:
        bindings = find_bindings() if isinstance(error, ModuleNotFoundError) else None
        if bindings is not None:
            return BindingsDriver(bindings)
        advice = _explained(str(error)) or (
            "it needs an NVIDIA driver, and: pip install 'edgeseg[gpu]', or without a compiler 'edgeseg[gpu-wheels]'"
        )
        raise MissingDependencyError(f"pycuda cannot be imported ({printable(str(error))}); {advice}") from None
    return pycuda.driver


def driver_title(driver: Any) -> str:  # noqa: ANN401
    """Return which package a driver is reached through."""
    return "cuda-bindings" if isinstance(driver, BindingsDriver) else "pycuda"


def first_device() -> GpuFacts:
    """Return the first GPU; raise MissingDependencyError if no driver can be loaded, or there is no GPU."""
    return find_device(load_driver(), 0)[1]


def gpu_count() -> int:
    """Return how many GPUs there are; raise MissingDependencyError as `first_device` does."""
    driver = load_driver()
    find_device(driver, 0)
    return int(driver.Device.count())


def find_device(driver: Any, number: int) -> tuple[Any, GpuFacts]:  # noqa: ANN401
    """Return the device and the facts of GPU `number`, as CUDA counts them.

    Raises MissingDependencyError if CUDA gives none, InputError if it has none of that number.
    """
    try:
        driver.init()
        count = driver.Device.count()
        if 0 < count <= number:
            raise InputError(f"got GPU {number}, and CUDA finds {count}; they are numbered from 0")
        device = driver.Device(number)
        major, minor = device.compute_capability()
        return device, GpuFacts(str(device.name()), f"{major}.{minor}", str(device.pci_bus_id()))
    except driver.Error as error:
        advice = _explained(str(error)) or (
            "check nvidia-smi; without a GPU, .onnx files run on the CPU and TensorRT-RTX builds engines"
        )
        raise MissingDependencyError(f"CUDA finds no GPU ({printable(str(error))}); {advice}") from None


def _explained(text: str) -> str:
    """Return what to do about an error of a driver that is too old, "" for any other."""
    if _NOT_IN_OLD_DRIVERS not in text:
        return ""
    return (
        "the NVIDIA driver is older than CUDA 13, whose headers it was built with: install driver 580 or later, or an "
        "older cuda-bindings, or build pycuda with an older CUDA"
    )
