"""One frame in flight on the GPU: its memory on both sides, its stream, its event, its execution context, its graph."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from segdata.errors import EdgeSegError
from segdata.text import printable
from segrun.runners.base import Frames, Inferred
from segrun.runners.contract import FRAMES
from segrun.runners.tensorrt.bindings import CudaError, call
from segrun.runners.tensorrt.device import Device
from segrun.runners.tensorrt.engine import TensorRTEngine


class TensorRTSlot:
    """A slot of the ring. Everything is allocated when it is made, nothing later.

    Copy in, inference and copy out are on the slot's own stream, one after the other; those of other slots overlap
    with them. Make it with the device active. `outputs` are the names of the outputs, the labels first. `cuda_graph`
    says, in words, whether they are one launch, or why not.
    """

    def __init__(
        self,
        device: Device,
        engine: TensorRTEngine,
        shape: tuple[int, int, int, int],
        outputs: Sequence[str],
        graphs: bool,
        bindings: Any | None,  # noqa: ANN401
    ) -> None:
        self._device = device
        self._busy = False
        self._graph: CudaGraph | None = None
        self._host_frames = device.pinned(shape)
        self._host_outputs = [device.pinned(shape[:3]) for _ in outputs]
        self._device_frames = device.memory(self._host_frames.nbytes)
        self._device_outputs = [device.memory(host.nbytes) for host in self._host_outputs]
        self._stream = device.stream()
        self._context = engine.context(graphs)
        device.on_close(self._context.release)
        for name, memory in zip([FRAMES, *outputs], [self._device_frames, *self._device_outputs], strict=True):
            self._context.bind(name, int(memory))
        self._warm_up()
        self.cuda_graph = self._capture(bindings) if graphs else "none: not asked for"

    def submit(self, frames: Frames) -> None:
        """Copy `frames` to page-locked memory and start on them; raise EdgeSegError if the device refuses."""
        with self._device.active():
            if self._busy:  # after a failure, the memory may still be in use
                self._stream.drain()
            np.copyto(self._host_frames, frames)
            self._start()

    def result(self) -> Inferred:
        """Wait for the outputs, and return them in arrays of the caller's own."""
        with self._device.active():
            self._stream.wait()
        self._busy = False
        return Inferred(*(host.copy() for host in self._host_outputs))

    def drain(self) -> None:
        """Wait until the device is done with this slot. Errors that it reports now are known already."""
        with suppress(EdgeSegError), self._device.active():
            self._stream.drain()
            self._busy = False

    def _start(self) -> None:
        self._busy = True
        if self._graph is None:
            self._enqueue()
        else:
            try:
                self._graph.launch()
            except GraphError as error:
                raise EdgeSegError(
                    f"CUDA cannot start the graph ({error}); close the engine and open it again"
                ) from error
        self._stream.mark()

    def _enqueue(self) -> None:
        self._stream.copy_in(self._device_frames, self._host_frames)
        self._context.enqueue(self._stream.handle)
        for host, memory in zip(self._host_outputs, self._device_outputs, strict=True):
            self._stream.copy_out(host, memory)

    def _warm_up(self) -> None:
        """Run once: kernels are loaded at the first run, and CUDA graphs are captured after it."""
        self._host_frames.fill(0)
        self._start()
        self._stream.wait()
        self._busy = False

    def _capture(self, bindings: Any | None) -> str:  # noqa: ANN401
        """Record a graph if there is something to record with, and return how it went."""
        if self._context.has_own_graph:
            return "TensorRT-RTX's own"
        if bindings is None:
            return "none: cuda-bindings is not installed"
        try:
            self._graph = CudaGraph(bindings, self._stream.handle, self._enqueue)
        except GraphError as error:
            return f"none: {error}"
        self._device.on_close(self._graph.release)
        return "copies and inference"


class CudaGraph:
    """The recorded calls of `enqueue`. The memory they use must stay in place."""

    def __init__(self, bindings: Any, stream: int, enqueue: Callable[[], None]) -> None:  # noqa: ANN401
        """Record `enqueue` on the stream with this handle; raise GraphError, the stream as it was, if that fails.

        Nothing is run. `enqueue` must have run once before: TensorRT sets itself up in the first run.
        """
        self._bindings = bindings
        self._stream = stream
        # Allocating memory would be recorded wrongly, so it is an error for this thread while recording.
        mode = bindings.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", stream, mode)
        try:
            enqueue()
        except BaseException as error:
            with suppress(GraphError):  # a failed capture may have left a graph or none
                graph = self._call("cuStreamEndCapture", stream)
                self._call("cuGraphDestroy", graph)
            if isinstance(error, Exception):
                raise GraphError(printable(str(error))) from error
            raise
        graph = self._call("cuStreamEndCapture", stream)
        try:
            self._executable = self._call("cuGraphInstantiate", graph, 0)
        finally:
            # Its result does not matter: the executable graph is a copy.
            bindings.cuGraphDestroy(graph)

    def launch(self) -> None:
        """Start the recorded calls on the stream; raise GraphError if CUDA refuses."""
        self._call("cuGraphLaunch", self._executable, self._stream)

    def release(self) -> None:
        """Free the graph."""
        self._bindings.cuGraphExecDestroy(self._executable)

    def _call(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401
        try:
            return call(self._bindings, name, *arguments)
        except CudaError as error:
            raise GraphError(str(error)) from error


class GraphError(Exception):
    """The calls cannot be recorded; they can still be made one by one."""
