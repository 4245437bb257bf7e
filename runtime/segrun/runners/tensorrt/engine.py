"""A TensorRT engine, ready to run: its inputs and outputs, and contexts that enqueue it on a stream."""

import ctypes
from contextlib import suppress
from pathlib import Path
from typing import Any

from segdata.errors import ContractError, EdgeSegError, InputError, MissingDependencyError
from segdata.files import replacing
from segdata.text import short
from segrun.runners.tensorrt.library import TensorRT

# What TensorRT says if the driver is missing or older than its CUDA.
_NO_CUDA = ("cudaError 35", "CUDA initialization failure")


def kernels_path(path: Path) -> Path:
    """Return where the kernels that TensorRT-RTX compiled for the engine at `path` are kept: NAME.engine.kernels."""
    return path.with_name(path.name + ".kernels")


def open_runtime(library: TensorRT, logger: Any) -> Any:  # noqa: ANN401 - a class of the library
    """Return TensorRT's runtime; raise MissingDependencyError if there is no driver, or one too old for its CUDA.

    TensorRT then reports an error, but returns a runtime whose every use, even its deletion, aborts the process (seen
    in 10.16 and 11.4), or returns none, which its bindings raise as a TypeError.
    """
    logger.take_problems()
    try:
        runtime = library.module.Runtime(logger)
    except TypeError as error:
        raise _no_driver(library, f"{logger.take_errors()}, {error}") from None
    reason = logger.take_errors()
    if not runtime:
        raise _no_driver(library, reason)
    if sign := _sign_of_no_cuda(reason):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(runtime))  # it must outlive the interpreter
        raise _no_driver(library, sign)
    return runtime


def _sign_of_no_cuda(reason: str) -> str:
    return next((sign for sign in _NO_CUDA if sign in reason), "")


def _no_driver(library: TensorRT, reason: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"the NVIDIA driver is missing or too old for {library.flavour} {library.version} ({short(reason)}); install a "
        "newer driver (nvidia-smi shows which it is), or a TensorRT for its CUDA: tensorrt-cu12 takes driver 525 and "
        "later, tensorrt-cu13 580"
    )


class TensorRTEngine:
    """A deserialised engine. `logger` is a collecting logger of the same library.

    Make it, use it and `release` it with the CUDA context current.
    """

    def __init__(self, library: TensorRT, logger: Any, plan: bytes, origin: str) -> None:  # noqa: ANN401
        """Deserialise `plan`, which is executable content: check where it comes from before.

        Raises ContractError, naming `origin`, if the library cannot read it; MissingDependencyError if the driver is
        too old for the library.
        """
        self._trt: Any = library.module
        self._logger = logger
        self._runtime: Any = open_runtime(library, logger)
        self._kernels: Any = None
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            self.release()
            reason = logger.take_errors()
            if sign := _sign_of_no_cuda(reason):
                raise _no_driver(library, sign)
            raise ContractError(
                f"{origin}: {library.flavour} {library.version} cannot read it ({reason}); build it "
                "again with seg-export"
            )

    def signature(self) -> list[str]:
        """Return inputs, then outputs, each as `name type [shape]`: `frames uint8 [1, 128, 128, 3]`."""
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT]
        return [self._describe(name) for name in [*inputs, *(name for name in names if name not in inputs)]]

    def context(self, graphs: bool) -> "TensorRTContext":
        """Return an execution context, which must be released before the engine.

        `graphs` has TensorRT-RTX capture a CUDA graph by itself, which it does at the first frame; TensorRT cannot.
        Raises EdgeSegError if there is no memory for the context.
        """
        config = self._runtime_config(graphs) if self._compiles else None
        made = None if config is None else self._engine.create_execution_context(config)
        has_own_graph = made is not None and graphs
        if made is None:
            made = self._engine.create_execution_context()
        if made is None:
            raise EdgeSegError(
                f"TensorRT has no memory for one more frame in flight: {self._logger.take_errors()}; keep fewer"
            )
        return TensorRTContext(made, config, has_own_graph, self._logger)

    def take_kernels(self, path: Path) -> None:
        """Have all contexts share the kernels that TensorRT-RTX compiles, starting with those in `path`.

        A file that is missing, broken or of another GPU, driver or version is not an error: kernels are compiled again,
        which takes seconds. TensorRT compiles none.
        """
        if not self._compiles:
            return
        self._kernels = self._engine.create_runtime_config().create_runtime_cache()
        with suppress(OSError):
            self._kernels.deserialize(path.read_bytes())
        self._logger.take_problems()  # when it rejects the file

    def keep_kernels(self, path: Path) -> None:
        """Write the compiled kernels to `path`, if possible."""
        if self._kernels is None:
            return
        content = bytes(self._kernels.serialize() or b"")
        with suppress(OSError, InputError):
            if content and not (path.is_file() and path.read_bytes() == content):
                with replacing(path) as temporary:
                    temporary.write_bytes(content)

    @property
    def _compiles(self) -> bool:
        """Whether it is TensorRT-RTX, which compiles kernels at run time and captures CUDA graphs by itself."""
        return hasattr(self._trt, "CudaGraphStrategy")

    def _runtime_config(self, graphs: bool) -> Any:  # noqa: ANN401
        config = self._engine.create_runtime_config()
        if graphs:
            config.cuda_graph_strategy = self._trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        if self._kernels is not None:
            config.set_runtime_cache(self._kernels)
        return config

    def release(self) -> None:
        """Free the engine, after its contexts."""
        self._kernels = None
        self._engine = None
        self._runtime = None

    def _describe(self, name: str) -> str:
        kind = self._engine.get_tensor_dtype(name).name.lower()
        return f"{name} {kind} {list(self._engine.get_tensor_shape(name))}"


class TensorRTContext:
    """Runs an engine on one stream. `has_own_graph` says whether TensorRT-RTX captures a CUDA graph of it.

    This is the only reference to TensorRT's context: it has no `free`, and must go before the engine and CUDA's
    context. `config` is the runtime config it was made with, which must live as long.
    """

    def __init__(self, context: Any, config: Any, has_own_graph: bool, logger: Any) -> None:  # noqa: ANN401
        self._context: Any = context
        self._config: Any = config
        self._logger = logger
        self.has_own_graph = has_own_graph

    def bind(self, name: str, address: int) -> None:
        """Bind a tensor to a device address; raise EdgeSegError if TensorRT refuses."""
        if not self._context.set_tensor_address(name, address):
            raise EdgeSegError(f"TensorRT refuses the memory for {name}: {self._logger.take_errors()}")

    def enqueue(self, stream: int) -> None:
        """Enqueue one inference on the stream with this handle; raise EdgeSegError if TensorRT refuses."""
        if not self._context.execute_async_v3(stream):
            raise EdgeSegError(f"TensorRT cannot run the engine: {self._logger.take_errors()}")

    def release(self) -> None:
        """Free the context."""
        self._context = None
        self._config = None
