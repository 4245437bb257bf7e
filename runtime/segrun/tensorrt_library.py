"""TensorRT or TensorRT-RTX, whichever is installed: two packages with one Python API."""

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from segdata.errors import EdgeSegError, MissingDependencyError
from segrun.manifest import Flavour

_MODULES: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_EXTRAS: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "rtx"}


@dataclass(frozen=True)
class TensorRT:
    """The imported library. Both flavours have the same names, so code uses `module` without asking which it is."""

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
    """Return the one logger of this process for `library`, whose `take_errors()` returns and forgets its errors.

    TensorRT keeps the first logger it is given for good, so there is one.
    """
    if library.flavour not in _LOGGERS:
        _LOGGERS[library.flavour] = _make_logger(library.module)
    return _LOGGERS[library.flavour]


_LOGGERS: dict[Flavour, Any] = {}


def _make_logger(trt: Any) -> Any:  # noqa: ANN401
    class CollectingLogger(trt.ILogger):  # type: ignore[misc] # the library is untyped
        """Keeps errors for the exception that will tell them, and drops the rest."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._errors: list[str] = []

        def log(self, severity: object, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self._errors.append(message)

        def take_errors(self) -> str:
            errors, self._errors = "; ".join(self._errors), []
            return errors or "no reason given"

    return CollectingLogger()
