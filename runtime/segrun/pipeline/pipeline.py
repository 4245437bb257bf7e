"""Reading, inference and writing at the same time, each in its own thread, with every frame accounted for."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

from segdata.errors import EdgeSegError, InputError
from segdata.video.reader import AudioPacket, Decoded
from segrun.counters import Counters
from segrun.drawing.drawing import Drawing
from segrun.frame import Frame, FrameMaker, Segmented
from segrun.pipeline.account import RunReport
from segrun.pipeline.channel import Channel, ChannelCancelledError, ChannelClosedError
from segrun.pipeline.inference import Inference
from segrun.pipeline.stage_clock import StageClock
from segrun.pipeline.threads import join, stage
from segrun.runners.base import Runner
from segrun.sinks.base import Sink
from segrun.sources.base import Source

IN_FLIGHT = 4
"""Frames that wait before the network, and after it, where none may be dropped."""

_LONGEST_BURST = 100  # frames that a camera may send at once when it is opened, before any is dropped
_LARGEST_BURST = 1 << 28  # bytes of them

_PATIENCE = 1.0  # seconds that a stopped run waits for a source that says nothing
_TO_CLEAR_UP = 5.0  # seconds that an abandoned run waits for its files to be removed
_LATENCIES_KEPT = 10_000


class NoFrameError(InputError):
    """The source gave no frame at all."""


class Pipeline:
    """Takes frames from a source through a runner into sinks.

    A thread decodes and shrinks, the thread that calls `run` runs the network, a third draws and writes: the run is
    as fast as its slowest stage, or as the cores allow. A file waits for the stages after it; of a live source, the
    newest frame is taken and older ones are dropped, except for those that it sends at once when it begins. `run` may
    be called once.
    """

    def __init__(
        self,
        source: Source,
        runner: Runner,
        sinks: Sequence[Sink],
        drawing: Drawing | None = None,
        items: Iterable[Decoded | AudioPacket] | None = None,
        refine: Callable[[Iterator[Segmented]], Iterator[Segmented]] = iter,
        one_by_one: bool = False,
    ) -> None:
        """Join the parts. `items` are what is taken of the source, all if None. Sinks that show need a drawing.

        `refine` changes the segmented frames: it yields as many, in their order. `one_by_one`, each frame
        is shown before the network waits for the next, as it always is with a live source.
        """
        self._source = source
        self._items = source.read() if items is None else items
        self._runner = runner
        self._sinks = sinks
        self._drawing = drawing
        self._refine = refine
        self._decoded = Channel[Frame](1 if source.live else IN_FLIGHT, drop_oldest=source.live)
        self._results = Channel[Segmented | AudioPacket](IN_FLIGHT)
        self._clock = StageClock()
        self._inference = Inference(runner, self._clock, one_by_one or source.live)
        self._stopping = self._interrupted = self._discarding = self._completed = False
        self._errors: list[BaseException] = []
        self._latencies: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._shown = 0
        self._started = self._ended = time.perf_counter()

    def run(self, on_frame: Callable[[], None] = lambda: None) -> RunReport:
        """Run to the end of the source, or until `stop`; call `on_frame` after each frame that was shown.

        The first error of any stage ends the run and is raised here, after every sink has completed what it has.
        Raises NoFrameError if there is no frame at all, KeyboardInterrupt after `abandon`, unless every sink was
        complete by then. A KeyboardInterrupt leaves no files.
        """
        self._started = time.perf_counter()
        reader = stage(self._read_frames, "segrun-read")
        writer = stage(lambda: self._write_frames(on_frame), "segrun-write")
        try:
            reader.start()
            writer.start()
            try:
                self._infer_frames()
            except ChannelCancelledError:
                pass  # the stage that cancelled says why
            except Exception as error:
                self._errors.append(error)
            self._decoded.cancel()
            self._results.close()
            join(writer, lambda: self._discarding)
            join(writer, patience=_TO_CLEAR_UP)
            join(reader, lambda: self._stopping)
            join(reader, patience=_PATIENCE)
        except BaseException:  # Ctrl-C without a handler
            self._discarding = True
            self._decoded.cancel()
            self._results.cancel()
            join(writer, patience=_TO_CLEAR_UP)
            join(reader, patience=_PATIENCE)
            raise
        finally:
            self._ended = time.perf_counter()
        if self._discarding and not self._completed:
            raise KeyboardInterrupt
        if self._errors:
            raise self._errors[0]
        report = self.report()
        if report.frames_read == 0 and not report.interrupted:
            raise NoFrameError(f"{self._source.name}: no frame could be decoded; the file is broken: get it again")
        if report.frames_lost:
            raise EdgeSegError(f"{report.frames_lost} of {report.frames_read} frames were lost: please report this")
        return report

    def stop(self) -> None:
        """End the run after the frames that are on their way. May be called from a signal handler."""
        self._stopping = self._interrupted = True

    def abandon(self) -> None:
        """End the run at once and leave no incomplete files. May be called from a signal handler."""
        self._stopping = self._interrupted = self._discarding = True

    def report(self) -> RunReport:
        """Return the account so far."""
        return RunReport(
            outputs=tuple(sink.path for sink in self._sinks if sink.path),
            remarks=tuple(remark for sink in self._sinks for remark in sink.remarks),
            # Frames that a stop left there were never in the run.
            frames_read=self._decoded.taken + self._decoded.dropped,
            frames_shown=self._shown,
            frames_dropped=self._decoded.dropped,
            corrupt_packets=self._source.corrupt_packets,
            interrupted=self._interrupted,
            seconds=self._ended - self._started,
            latencies=tuple(self._latencies),
            stage_seconds=dict(self._clock.totals),
            timeline=tuple(self._clock.spans),
        )

    def counters(self) -> Counters:
        """Return the progress of the run; from any thread."""
        return Counters(
            frames_read=self._decoded.taken + self._decoded.dropped,
            frames_shown=self._shown,
            frames_dropped=self._decoded.dropped,
            corrupt_packets=self._source.corrupt_packets,
            reconnects=getattr(self._source, "reconnects", 0),
            stage_seconds=dict(self._clock.totals),
            queue_lengths={"network": len(self._decoded), "sinks": len(self._results)},
        )

    def _read_frames(self) -> None:
        """The first thread: decode, turn upright, shrink."""
        items, make, bursts = iter(self._items), FrameMaker(self._runner.spec), 0
        try:
            while not self._stopping:
                start = time.perf_counter()
                item = next(items, None)
                if item is None:
                    break
                if isinstance(item, Decoded):
                    frame = make(item, start)
                    self._clock.add("decode", start, frame.decoded_at)
                    self._clock.add("shrink", frame.decoded_at, frame.decoded_at + frame.shrink_seconds)
                    if bursts != self._source.bursts:
                        bursts = self._source.bursts
                        self._decoded.expect_burst(min(_LONGEST_BURST, _LARGEST_BURST // _bytes(frame)))
                    self._decoded.put(frame)
                else:
                    self._results.put(item)
        except ChannelCancelledError:
            pass
        except Exception as error:
            self._errors.append(error)
        finally:
            self._decoded.close()

    def _infer_frames(self) -> None:
        """The calling thread: run the network."""
        with closing(self._inference.segmented(self._arriving())) as frames:
            for segmented in self._refine(frames):
                self._results.put(segmented)

    def _arriving(self) -> Iterator[Frame]:
        """Yield the frames as they come, until the source ends, or has been silent for long after `stop`."""
        silent_since = time.perf_counter()
        while not (self._stopping and (self._discarding or time.perf_counter() - silent_since > _PATIENCE)):
            try:
                frame = self._decoded.get()
            except ChannelClosedError:
                return
            self._stopping |= any(sink.closed for sink in self._sinks)
            if frame is not None:
                yield frame
                silent_since = time.perf_counter()

    def _write_frames(self, on_frame: Callable[[], None]) -> None:
        """The third thread: draw, and hand to each sink."""
        try:
            for item in self._results:
                if self._discarding:
                    break
                if isinstance(item, Segmented):
                    self._write_frame(item)
                    on_frame()
                else:
                    for sink in self._sinks:
                        sink.write_audio(item)
        except ChannelCancelledError:
            pass
        except Exception as error:
            self._errors.append(error)
        finally:
            # Nobody takes frames any more: the earlier stages would wait forever.
            self._results.cancel()
            self._decoded.cancel()
            self._end_sinks()

    def _write_frame(self, segmented: Segmented) -> None:
        picture = None
        if self._drawing and any(sink.shows for sink in self._sinks):
            with self._clock("draw"):
                picture = self._drawing.draw(segmented)
        with self._clock("write"):
            for sink in self._sinks:
                sink.write(segmented, picture)
        self._shown += 1
        self._latencies.append(time.perf_counter() - segmented.frame.decoded_at)

    def _end_sinks(self) -> None:
        discarding = self._discarding  # it may change meanwhile
        for sink in self._sinks:
            try:
                if discarding:
                    sink.discard()
                else:
                    sink.finish()
            except Exception as error:
                self._errors.append(error)
        self._completed = not discarding


def _bytes(frame: Frame) -> int:
    """Return about how much memory a frame takes: its luma, and its chroma at a quarter of the size each."""
    return frame.picture.height * frame.picture.width * 3 // 2 + frame.small.nbytes
