"""Benchmarks artefacts side by side: speed in interleaved rounds, accuracy on one dataset, and a recommendation."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from segbench.estimate import estimates_on_card
from segbench.judge.recommendation import Demands
from segbench.judge.verdict import doubts, verdict
from segbench.measure.accuracy import ImageMatrices, accuracy_of, change_of, dataset_of, image_matrices
from segbench.measure.contender import Contender
from segbench.measure.machine import this_machine
from segbench.measure.nvml import card_state, load_nvml
from segbench.measure.sureness import SurenessCounts
from segbench.options import BenchOptions
from segbench.quality.agreement import video_quality
from segbench.quality.pictures import frame_of, frame_view, worst_strip
from segbench.results import (
    AccuracyResult,
    BenchReport,
    FrameView,
    QualityResult,
    Sureness,
)
from segdata.command_line.progress import SILENT, Progress
from segdata.dataset.dataset import DATASET_FILE, Dataset
from segdata.errors import EdgeSegError, InputError
from segdata.files import on_disk, replacing
from segdata.images.image_file import as_png
from segdata.synth.write import VIDEO_RATE, write_drive
from segdata.video.reader import Decoded, VideoReader

SYNTHETIC_SECONDS = 4
_SYNTHETIC_SEED = 0


def bench(options: BenchOptions, artefacts: Sequence[Path], progress: Progress = SILENT) -> BenchReport:
    """Measure every artefact; within each round they take turns, so that a slow phase of the machine affects all.

    An artefact that fails halfway, as when its GPU is lost, is left out with a warning; the others continue. Raises
    InputError if an artefact, the video or the dataset cannot be used, if the artefacts have different classes, or if
    the counts are below 1, and what went wrong if no artefact is left.
    """
    check_options(options)
    nvml = load_nvml()
    before = this_machine(card_state(nvml))
    with ExitStack() as stack:
        contenders = [stack.enter_context(Contender(path, options.runner, nvml)) for path in artefacts]
        _check_classes(contenders)
        datasets = {one.path: dataset_of(options.data, one.runner) for one in contenders} if options.data else {}
        evaluated = max((len(dataset.evaluation_indices()) for dataset in datasets.values()), default=0)
        if options.quality:
            with on_disk(options.quality):
                options.quality.mkdir(parents=True, exist_ok=True)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        video = options.video or _make_video(folder)
        for contender in contenders:
            contender.prepare(video, options.frames)
        steps = 2 + 2 * options.rounds + evaluated + (options.quality is not None)
        progress.start(len(contenders) * steps)
        warnings: list[str] = []

        def everyone(work: Callable[[Contender], None], step: str | None = None) -> None:
            for contender in _remaining(contenders):
                try:
                    work(contender)
                except EdgeSegError as error:
                    contender.failure = error
                    warnings.append(f"{contender.path.name} failed and is left out: {error}")
                if step:
                    progress.advance(step)

        everyone(lambda contender: contender.weigh(), "memory")
        for _ in range(options.rounds):
            everyone(lambda contender: contender.run_engine(), "engine")
            everyone(lambda contender: contender.run_video(video, folder), "end to end")
        after = this_machine(card_state(nvml))
        matrices: dict[Path, ImageMatrices] = {}
        sureness: dict[Path, SurenessCounts] = defaultdict(SurenessCounts)
        if datasets:

            def score(contender: Contender) -> None:
                own = datasets[contender.path]
                matrices[contender.path] = image_matrices(contender.runner, own, progress, sureness[contender.path])

            everyone(score)
        found: dict[Path, QualityResult] = {}
        if options.quality:
            strips = options.quality

            def look(contender: Contender) -> None:
                if reference := contender.reference(_remaining(contenders)):
                    found[contender.path] = _quality(contender, reference, video, strips)

            everyone(look, "quality")
        views: dict[Path, FrameView] = {}
        shown = frame_of(video, options.frames // 2)

        def picture(contender: Contender) -> None:
            views[contender.path] = _view(contender, _remaining(contenders), shown)

        everyone(picture, "frame")
        remaining = _remaining(contenders)
        if not remaining and contenders[0].failure:
            raise contenders[0].failure
        results = tuple(
            one.result(_accuracy(one, remaining, matrices, sureness[one.path].result())) for one in remaining
        )
    return BenchReport(
        edgeseg=version("edgeseg"),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        machine=replace(after, load=before.load),  # the load after is the benchmark's own
        video=_describe_video(options.video),
        dataset=_describe_dataset(options.data, evaluated, datasets, contenders) if options.data else None,
        results=results,
        warnings=(*warnings, *doubts(results, before, after)),
        verdict=verdict(
            results,
            Demands(options.max_drop, options.target_fps, options.min_miou),
            after.cores,
            estimates_on_card([one.path for one in remaining], after.card),
        ),
        quality=tuple(found[one.path] for one in remaining if one.path in found),
        frames=tuple(views[one.path] for one in remaining),
    )


def _describe_dataset(
    data: Path, evaluated: int, datasets: dict[Path, Dataset], contenders: Sequence[Contender]
) -> str:
    """Return which frames are measured on, and in which classes if not in the dataset's."""
    spaces = {(datasets[one.path].facts.label_space, one.runner.spec.label_space) for one in contenders if datasets}
    converted = [f", {own} as {theirs}" for own, theirs in sorted(spaces) if own != theirs]
    return f"{evaluated} evaluation frames of {data.name}{''.join(converted)}"


def _remaining(contenders: Sequence[Contender]) -> list[Contender]:
    return [one for one in contenders if one.failure is None]


def _quality(one: Contender, reference: Contender, video: Path, folder: Path) -> QualityResult:
    """Compare an artefact with its reference on the video, and write a strip of the worst frames."""
    names = one.path.name, reference.path.name
    result = video_quality(one.runner, reference.runner, video, None, names)
    strip = worst_strip(result, one.runner, reference.runner, video)
    with replacing(folder / f"{one.path.name}.worst.png") as temporary:
        temporary.write_bytes(as_png(strip))
    return result


def _view(one: Contender, contenders: Sequence[Contender], shown: tuple[float, Decoded]) -> FrameView:
    """Return the pictures of a frame, compared with the float32 artefact, or where there is none INT8 with float16."""
    reference = one.reference(contenders)
    if reference is None and one.runner.precision == "int8":
        reference = one.reference(contenders, "fp16")
    named = (reference.path.name, reference.runner) if reference else None
    return frame_view((one.path.name, one.runner), named, shown)


def check_options(options: BenchOptions) -> None:
    """Raise InputError for options that cannot work, before any artefact is made or opened."""
    if min(options.frames, options.rounds) < 1:
        raise InputError(f"got {options.frames} frames and {options.rounds} rounds, need 1 or more of each")
    if options.video is not None and not options.video.is_file():
        raise InputError(f"{options.video}: no such file; need a video")
    if options.data is not None and not list(options.data.glob(f"**/{DATASET_FILE}")):
        Dataset(options.data)  # raises the error
    for name in ("json", "markdown", "html"):
        path = getattr(options, name)
        if path is not None and path.is_dir():
            raise InputError(f"got --{name} {path}, a folder; need the name of a file")
    if options.quality is not None and options.quality.is_file():
        raise InputError(f"got --quality {options.quality}, a file; need a folder")


def _accuracy(
    contender: Contender,
    contenders: Sequence[Contender],
    matrices: dict[Path, ImageMatrices],
    sureness: Sureness | None,
) -> AccuracyResult | None:
    """Return an artefact's figures, with the change from the float32 artefact of the same model if there is one."""
    if contender.path not in matrices:
        return None
    names = contender.runner.spec.class_names
    own, reference = matrices[contender.path], contender.reference(contenders)
    change = change_of(own, matrices[reference.path], names, reference.path.name) if reference else None
    return accuracy_of(own, names, change, sureness)


def _check_classes(contenders: Sequence[Contender]) -> None:
    first = contenders[0]
    for other in contenders[1:]:
        if other.runner.spec.class_names != first.runner.spec.class_names:
            raise InputError(
                f"{first.path.name} has the classes of {first.runner.spec.label_space}, {other.path.name} those of "
                f"{other.runner.spec.label_space}; measure them apart"
            )


def _make_video(folder: Path) -> Path:
    path = folder / "drive.mp4"
    write_drive(path, _SYNTHETIC_SEED, SYNTHETIC_SECONDS * VIDEO_RATE)
    return path


def _describe_video(video: Path | None) -> str:
    if video is None:
        return f"a synthetic drive, 960x540, {SYNTHETIC_SECONDS * VIDEO_RATE} frames"
    with VideoReader(video) as reader:
        height, width = next(reader.images()).shape[:2]
        return f"{video.name}, {width}x{height}"
