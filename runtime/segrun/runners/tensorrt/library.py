"""TensorRT or TensorRT-RTX, whichever is installed: two packages with one Python API."""

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TextIO

from segdata.errors import EdgeSegError, MissingDependencyError
from segdata.text import printable
from segrun.runners.tensorrt.manifest import Flavour

_MODULES: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_EXTRAS: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "rtx"}


@dataclass(frozen=True)
class TensorRT:
    """The imported library. A test holds every name
    that is used against both flavours, so code uses `module` without asking which it is."""

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
        """Keeps errors for the exception that will report them, and drops the rest unless there is a stream."""

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
            return printable("; ".join(message for fatal, message in problems if fatal)) or "no reason given"

    return CollectingLogger()
