"""CUDA graphs: a sequence of calls recorded once, then started with one. pycuda has none, cuda-bindings does."""

import importlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from segdata.text import printable


def find_bindings() -> Any | None:  # noqa: ANN401 - untyped
    """Return cuda.bindings.driver, of the package cuda-bindings, or None if it cannot be imported."""
    try:
        return importlib.import_module("cuda.bindings.driver")
    except ImportError:
        return None


class GraphError(Exception):
    """The calls cannot be recorded; they can still be made one by one."""


class CudaGraph:
    """What `enqueue` puts on a stream, recorded. The memory it names must stay where it is."""

    def __init__(self, bindings: Any, stream: int, enqueue: Callable[[], None]) -> None:  # noqa: ANN401
        """Record `enqueue` on the stream with this handle; raise GraphError, the stream as it was, if that fails.

        Nothing is run. `enqueue` must have run once before: TensorRT sets itself up in the first run.
        """
        self._bindings = bindings
        self._stream = stream
        # Allocating memory would be recorded wrongly, so for this thread it is an error while recording.
        mode = bindings.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", stream, mode)
        try:
            enqueue()
        except BaseException as error:
            with suppress(GraphError):  # it was a capture that failed, and it may have left a graph or none
                graph = self._call("cuStreamEndCapture", stream)
                self._call("cuGraphDestroy", graph)
            if isinstance(error, Exception):
                raise GraphError(printable(str(error))) from error
            raise
        graph = self._call("cuStreamEndCapture", stream)
        try:
            self._executable = self._call("cuGraphInstantiate", graph, 0)
        finally:
            # Whatever it reports does not matter: the executable graph is a copy.
            bindings.cuGraphDestroy(graph)

    def launch(self) -> None:
        """Start the recorded calls on the stream; raise GraphError if CUDA refuses."""
        self._call("cuGraphLaunch", self._executable, self._stream)

    def release(self) -> None:
        """Free the graph."""
        self._bindings.cuGraphExecDestroy(self._executable)

    def _call(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401
        try:
            result, *values = getattr(self._bindings, name)(*arguments)
        except (AttributeError, RuntimeError) as error:  # an older cuda-bindings, or an older driver, has no such call
            raise GraphError(printable(str(error))) from error
        if int(result) != 0:
            raise GraphError(f"{name}: {getattr(result, 'name', result)}")
        return values[0] if values else None
