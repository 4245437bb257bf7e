"""One artefact while it is measured."""

import re
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from segbench.measure.energy import card_meter, processor_meter
from segbench.measure.memory import peak_memory_mb
from segbench.measure.nvml import card_state
from segbench.measure.speed import Clock, end_to_end, engine_rate, latencies, read_frames, timeline, warm_up
from segbench.results import AccuracyResult, ArtefactResult, Energy, Latency, Rate, StageSpan
from segdata.errors import EdgeSegError, InputError
from segdata.files import sha256_of
from segdata.spec import Precision
from segrun.options import RunnerName
from segrun.runners.base import Frames
from segrun.runners.open import open_runner

_LATENCIES_A_ROUND = 50


class Contender:
    """An artefact, open, with the figures so far. `failure` is the error that ended its part, None while it takes part.

    Two runners are open, as seg-run would have it: one for files, with frames in flight, and one for live sources, with
    one frame at a time.
    """

    def __init__(
        self,
        path: Path,
        runner_name: RunnerName,
        nvml: Any | None = None,  # noqa: ANN401
        clock: Clock = time.perf_counter,
    ) -> None:
        """Open `path`; raise what `open_runner` does, and InputError if it takes several frames at once."""
        self.path, self.runner_name = path, runner_name
        self.failure: EdgeSegError | None = None
        self._nvml, self._clock = nvml, clock
        on_card = path.suffix == ".engine"
        memory_before = self._card_memory()
        with ExitStack() as opened:
            self.runner = opened.enter_context(open_runner(path, runner_name, throughput=True))
            if self.runner.batch != 1:
                raise InputError(f"{path} takes {self.runner.batch} frames at once, need 1; export it with --batch 1")
            self._card_mb = None if memory_before is None else self._card_memory_since(memory_before)
            self._one_by_one = self.runner if on_card else opened.enter_context(open_runner(path, runner_name))
            self._opened = opened.pop_all()
        self._meter = card_meter(nvml) if on_card else processor_meter()
        self._engine_rates: list[float] = []
        self._latencies: list[float] = []
        self._video_rates: list[float] = []
        self._video_latencies: list[float] = []
        self._stages: list[dict[str, float]] = []
        self._timeline: tuple[StageSpan, ...] = ()
        self._joules = self._energy_frames = 0.0
        self._memory_mb: float | None = None

    def __enter__(self) -> "Contender":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    @property
    def model(self) -> tuple[str, ...]:
        """The identity of the model: the hash of its weights.

        Artefacts of edgeseg 0.1 do not carry it; they share their folder, their name up to the precision and their
        spec, which has the figures of the training.
        """
        if self.runner.weights:
            return (self.runner.weights,)
        name = re.sub(r"\.(fp32|fp16|int8)\..*$", "", self.path.name)
        return str(self.path.with_name(name)), self.runner.spec.to_json()

    def reference(self, others: Iterable["Contender"], precision: Precision = "fp32") -> "Contender | None":
        """Return the artefact of the same model in a precision, on the same runner; None if there is none but this."""
        for other in others:
            same = (other.model, other.runner.name) == (self.model, self.runner.name)
            if same and other.runner.precision == precision and other is not self:
                return other
        return None

    def prepare(self, video: Path, count: int) -> None:
        """Read the frames to be timed on, and warm up."""
        self._frames: Frames = read_frames(video, self.runner.spec, count)
        warm_up(self.runner, self._frames)
        warm_up(self._one_by_one, self._frames)

    def weigh(self) -> None:
        """Measure memory."""
        self._memory_mb = peak_memory_mb(self.path, self.runner_name)

    def run_engine(self) -> None:
        """Time one round of the network alone: with frames in flight, then one by one."""
        if self._meter:
            self._meter.start()
        self._engine_rates.append(engine_rate(self.runner, self._frames, self._clock))
        if self._meter:
            self._joules += self._meter.used()
            self._energy_frames += len(self._frames)
        self._latencies += latencies(self._one_by_one, self._frames[:_LATENCIES_A_ROUND], self._clock)

    def run_video(self, video: Path, folder: Path) -> None:
        """Time one round of everything that seg-run does."""
        report = end_to_end(video, folder, self.runner)
        self._video_rates.append(report.fps)
        self._video_latencies += [1000 * seconds for seconds in report.latencies]
        self._stages.append(
            {stage: 1000 * seconds / report.frames_shown for stage, seconds in report.stage_seconds.items()}
        )
        self._timeline = timeline(report)

    def result(self, accuracy: AccuracyResult | None) -> ArtefactResult:
        """Return the figures of all rounds."""
        runner = self.runner
        return ArtefactResult(
            artefact=self.path.name,
            sha256=sha256_of(self.path),
            precision=_precision(runner.precision),
            height=runner.spec.height,
            width=runner.spec.width,
            class_count=runner.spec.class_count,
            runner=runner.name,
            device=runner.device,
            computes=runner.computes,
            engine=Rate(tuple(self._engine_rates)),
            latency=Latency(tuple(self._latencies)),
            end_to_end=Rate(tuple(self._video_rates)),
            end_to_end_latency=Latency(tuple(self._video_latencies)),
            stage_milliseconds={
                stage: float(np.median([round_[stage] for round_ in self._stages])) for stage in self._stages[0]
            },
            timeline=self._timeline,
            memory_mb=self._memory_mb,
            gpu_memory_mb=self._card_mb,
            energy=self._energy(),
            accuracy=accuracy,
        )

    def _energy(self) -> Energy | None:
        if self._meter is None or not self._energy_frames:
            return None
        return self._meter.per_frame(self._joules, int(self._energy_frames))

    def _card_memory(self) -> float | None:
        card = card_state(self._nvml)
        return card.used_mb if card and self.path.suffix == ".engine" else None

    def _card_memory_since(self, before: float) -> float | None:
        now = self._card_memory()
        return None if now is None else now - before


def _precision(name: str) -> Precision:
    """Return a precision; the runner has checked it."""
    return name  # type: ignore[return-value]
