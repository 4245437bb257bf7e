"""Artefacts side by side: speed in interleaved rounds, accuracy on one dataset."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from segbench.machine import Machine, this_machine
from segbench.options import BenchOptions
from segbench.score import check_unseen, score
from segbench.speed import Rate, end_to_end_rate, engine_rate, read_frames, warm_up
from segdata.dataset import Dataset
from segdata.errors import InputError
from segdata.files import sha256_of
from segdata.metrics import Accuracy
from segdata.pyav_reader import VideoReader
from segdata.synth.write import VIDEO_RATE, write_drive
from segrun.runner import Frames, Runner, open_runner

SYNTHETIC_SECONDS = 4
_SYNTHETIC_SEED = 0


@dataclass(frozen=True)
class Row:
    """One artefact's figures. Rates are frames a second; `accuracy` is None without a dataset.

    `precision` is what the artefact says, `computes` what the runner makes of it here.
    """

    artefact: str
    sha256: str
    precision: str
    class_count: int
    runner: str
    device: str
    computes: str
    engine: Rate
    end_to_end: Rate
    accuracy: Accuracy | None


@dataclass(frozen=True)
class BenchReport:
    """All rows, what they were measured on, and with."""

    rows: list[Row]
    machine: Machine
    video: str
    dataset: str | None


def bench(options: BenchOptions, on_start: Callable[[int], None], on_step: Callable[[str], None]) -> BenchReport:
    """Measure every artefact; within each round they take turns, so that a slow spell of the machine hits all.

    Raises InputError if an artefact, the video or the dataset cannot be used, or if the counts are below 1.
    """
    if min(options.frames, options.rounds) < 1:
        raise InputError(f"got {options.frames} frames and {options.rounds} rounds, need 1 or more of each")
    with ExitStack() as stack:
        runners = [stack.enter_context(open_runner(path, options.engine)) for path in options.artefacts]
        dataset = Dataset(options.data) if options.data else None
        evaluated = 0
        if dataset:
            evaluation = dataset.evaluation()
            evaluated = len(evaluation)
            for runner in runners:
                dataset.check_fits(runner.spec)
                check_unseen(runner, evaluation)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        video = options.video or _make_video(folder)
        frames = [read_frames(video, runner.spec, options.frames) for runner in runners]
        on_start(len(runners) * (2 * options.rounds + evaluated))
        engine, end_to_end = _rates(runners, frames, options.rounds, partial(end_to_end_rate, video, folder), on_step)
        scores = [score(runner, dataset, lambda: on_step("accuracy")) if dataset else None for runner in runners]
    rows = [
        Row(
            artefact=path.name,
            sha256=sha256_of(path),
            precision=runner.precision,
            class_count=runner.spec.class_count,
            runner=runner.name,
            device=runner.device,
            computes=runner.computes,
            engine=engine[index],
            end_to_end=end_to_end[index],
            accuracy=scores[index],
        )
        for index, (path, runner) in enumerate(zip(options.artefacts, runners, strict=True))
    ]
    return BenchReport(
        rows=rows,
        machine=this_machine(),
        video=_describe_video(options.video),
        dataset=f"{evaluated} evaluation frames of {dataset.folder.name}" if dataset else None,
    )


def _rates(
    runners: list[Runner],
    frames: list[Frames],
    rounds: int,
    run_video: Callable[[Runner], float],
    on_step: Callable[[str], None],
) -> tuple[list[Rate], list[Rate]]:
    for runner, own_frames in zip(runners, frames, strict=True):
        warm_up(runner, own_frames)
    engine: list[list[float]] = [[] for _ in runners]
    end_to_end: list[list[float]] = [[] for _ in runners]
    for _ in range(rounds):
        for index, runner in enumerate(runners):
            engine[index].append(engine_rate(runner, frames[index]))
            on_step("engine")
        for index, runner in enumerate(runners):
            end_to_end[index].append(run_video(runner))
            on_step("end to end")
    return [Rate(tuple(rates)) for rates in engine], [Rate(tuple(rates)) for rates in end_to_end]


def _make_video(folder: Path) -> Path:
    path = folder / "drive.mp4"
    write_drive(path, _SYNTHETIC_SEED, SYNTHETIC_SECONDS * VIDEO_RATE, lambda: None)
    return path


def _describe_video(video: Path | None) -> str:
    if video is None:
        return f"a synthetic drive, 960x540, {SYNTHETIC_SECONDS * VIDEO_RATE} frames"
    with VideoReader(video) as reader:
        height, width = next(reader.images()).shape[:2]
        return f"{video.name}, {width}x{height}"
