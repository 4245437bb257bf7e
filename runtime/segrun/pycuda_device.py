"""What CUDA says of this machine's GPU."""

from segdata.errors import MissingDependencyError


def first_device() -> tuple[str, str]:
    """Return the name and the compute capability ("7.5") of the first GPU.

    Raises MissingDependencyError if pycuda is not installed, its driver library is missing, or there is no GPU.
    """
    try:
        import pycuda.driver as cuda
    except ImportError as error:
        raise MissingDependencyError(
            f"pycuda cannot be imported ({error}); it needs an NVIDIA driver, and: pip install 'edgeseg[tensorrt]'"
        ) from None
    try:
        cuda.init()
        device = cuda.Device(0)
    except cuda.Error as error:
        raise MissingDependencyError(f"CUDA finds no GPU ({error}); check nvidia-smi, or use --engine rtx") from None
    major, minor = device.compute_capability()
    return str(device.name()), f"{major}.{minor}"
