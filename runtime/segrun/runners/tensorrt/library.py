"""TensorRT or TensorRT-RTX, whichever is installed: two packages with one Python API."""

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TextIO

from segdata.errors import EdgeSegError, MissingDependencyError
from segrun.runners.tensorrt.manifest import Flavour

_MODULES: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_EXTRAS: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "rtx"}

TENSORRT_NAMES = (
    "Builder.build_serialized_network",
    "Builder.create_builder_config",
    "Builder.create_network",
    "BuilderFlag.VERSION_COMPATIBLE",
    "EngineInspector.get_engine_information",
    "IBuilderConfig.builder_optimization_level",
    "IBuilderConfig.create_timing_cache",
    "IBuilderConfig.profiling_verbosity",
    "IBuilderConfig.progress_monitor",
    "IBuilderConfig.set_flag",
    "IBuilderConfig.set_memory_pool_limit",
    "IBuilderConfig.set_timing_cache",
    "ICudaEngine.create_engine_inspector",
    "ICudaEngine.create_execution_context",
    "ICudaEngine.create_runtime_config",
    "ICudaEngine.device_memory_size_v2",
    "ICudaEngine.get_tensor_dtype",
    "ICudaEngine.get_tensor_mode",
    "ICudaEngine.get_tensor_name",
    "ICudaEngine.get_tensor_shape",
    "ICudaEngine.num_io_tensors",
    "IExecutionContext.execute_async_v3",
    "IExecutionContext.set_tensor_address",
    "ILogger.Severity.ERROR",
    "ILogger.Severity.INTERNAL_ERROR",
    "ILogger.Severity.WARNING",
    "INetworkDefinition.num_layers",
    "IProgressMonitor.phase_finish",
    "IProgressMonitor.phase_start",
    "IProgressMonitor.step_complete",
    "ITimingCache.serialize",
    "LayerInformationFormat.JSON",
    "MemoryPoolType.WORKSPACE",
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
    "OnnxParser.get_error",
    "OnnxParser.num_errors",
    "OnnxParser.parse",
    "OnnxParser.supports_operator",
    "ParserError.desc",
    "ParserError.node",
    "ParserError.node_name",
    "ParserError.node_operator",
    "ProfilingVerbosity.DETAILED",
    "Runtime.deserialize_cuda_engine",
    "Runtime.engine_host_code_allowed",
    "TensorIOMode.INPUT",
    "TensorIOMode.OUTPUT",
)
"""Every name that building and running touch; TensorRT 10.16, TensorRT 11.4 and TensorRT-RTX have them all."""

RTX_NAMES = (
    "ComputeCapability.SM75",
    "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE",
    "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability",
    "IRuntimeConfig.cuda_graph_strategy",
)
"""What only TensorRT-RTX has: targets that are not at hand, CUDA graphs of its own. Touched for that flavour alone."""


@dataclass(frozen=True)
class TensorRT:
    """The imported library. Both flavours have `TENSORRT_NAMES`, so code uses `module` without asking which it is."""

    module: ModuleType
    flavour: Flavour

    @property
    def version(self) -> str:
        """The library's version, such as 1.7.1.116."""
        return str(self.module.__version__)


def load_tensorrt(flavour: Flavour) -> TensorRT:
    """Import a flavour; raise MissingDependencyError with the install command if it cannot be."""
    try:
        return TensorRT(importlib.import_module(_MODULES[flavour]), flavour)
    except ImportError as error:
        raise MissingDependencyError(
            f"{_MODULES[flavour]} cannot be imported ({error}); run: pip install 'edgeseg[{_EXTRAS[flavour]}]'"
        ) from None


def find_tensorrt() -> TensorRT | None:
    """Return TensorRT if it imports, else TensorRT-RTX if that does, else None."""
    for flavour in _MODULES:
        try:
            return load_tensorrt(flavour)
        except EdgeSegError:
            continue
    return None


def collecting_logger(library: TensorRT) -> Any:  # noqa: ANN401 - a class of the library, known only at run time
    """Return the one logger of this process for `library`; TensorRT keeps the first it is given for good.

    `take_problems()` returns and forgets its warnings and errors, `take_errors()` its errors joined into one line;
    while `stream` is a text file, every message goes there, one a line, after the severity in brackets.
    """
    if library.flavour not in _LOGGERS:
        _LOGGERS[library.flavour] = _make_logger(library.module)
    return _LOGGERS[library.flavour]


_LOGGERS: dict[Flavour, Any] = {}


def _make_logger(trt: Any) -> Any:  # noqa: ANN401
    errors = (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR)
    warning = trt.ILogger.Severity.WARNING

    class CollectingLogger(trt.ILogger):  # type: ignore[misc] # the library is untyped
        """Keeps errors for the exception that will tell them, and drops the rest unless there is a stream."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.stream: TextIO | None = None
            self._problems: list[tuple[bool, str]] = []

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            if self.stream is not None:
                self.stream.write(f"[{severity.name}] {message}\n")
            if severity in errors or severity == warning:
                self._problems.append((severity in errors, message))

        def take_problems(self) -> list[str]:
            problems, self._problems = self._problems, []
            return [message for _, message in problems]

        def take_errors(self) -> str:
            problems, self._problems = self._problems, []
            return " ".join("; ".join(message for fatal, message in problems if fatal).split()) or "no reason given"

    return CollectingLogger()
