"""The tables of a report: how each artefact runs, how fast and accurate it is, and where it comes from."""

from collections.abc import Callable

from segbench.figures import MISSING, interval, number, percent, rate, signed
from segbench.report.grid import Grid, to_grid, without_empty
from segbench.results import ArtefactResult, BenchReport, Change, QualityResult, Sureness
from segdata.text import printable

Cells = dict[str, Callable[[ArtefactResult], str]]

_NAME: Cells = {"artefact": lambda result: result.artefact}
_RUNS_AS: Cells = {
    "precision": lambda result: result.precision,
    "runner": lambda result: result.runner,
    "computes in": lambda result: result.computes,
}
_TAKES: Cells = {
    "memory MB": lambda result: number(result.memory_mb),
    "GPU MB": lambda result: number(result.gpu_memory_mb),
    "mJ/frame": lambda result: number(1000 * result.energy.joules if result.energy else None),
}
_ENGINE_FPS: Cells = {"engine FPS": lambda result: rate(result.engine)}
_END_TO_END_FPS: Cells = {"end-to-end FPS": lambda result: rate(result.end_to_end)}
_SPEED: Cells = {
    **_ENGINE_FPS,
    "engine p50 ms": lambda result: number(result.latency.percentile(50)),
    "engine p90 ms": lambda result: number(result.latency.percentile(90)),
    "engine p99 ms": lambda result: number(result.latency.percentile(99)),
    **_END_TO_END_FPS,
    "end-to-end p99 ms": lambda result: number(result.end_to_end_latency.percentile(99)),
}


_SURENESS: Cells = {
    "ECE": lambda result: percent(sure.ece if (sure := _sureness_of(result)) else None),
    "wrong in surest 80%": lambda result: percent(sure.risk_at(0.8) if (sure := _sureness_of(result)) else None),
}


def family(result: ArtefactResult) -> str:
    """Return the model that an artefact is a precision of: unet-256 of unet-256.int8.onnx and its engine."""
    name, _, rest = result.artefact.partition(f".{result.precision}.")
    return name if rest else result.artefact.rpartition(".")[0] or result.artefact


def tables(report: BenchReport) -> list[Grid]:
    """Return what each artefact runs as, how fast and, if measured, how accurate it is: two or three tables."""
    found = [
        to_grid("Runtime and resources", report.results, {**_NAME, **_RUNS_AS}, _TAKES),
        to_grid("Speed", report.results, _NAME, _SPEED),
    ]
    if any(result.accuracy for result in report.results):
        change: Cells = {"mIoU change": _change(report), "95% interval": lambda result: interval(_change_of(result))}
        found.append(to_grid("Accuracy, percent", report.results, _NAME, {**_miou(report), **change, **_SURENESS}))
    return [without_empty(grid) for grid in found]


def merged(grids: list[Grid]) -> Grid:
    """Return the tables as one, side by side. All have the same rows, and their first column is the same."""
    first, *others = grids
    headings = sum((grid.headings[1:] for grid in others), first.headings)
    together = zip(*(grid.rows for grid in grids), strict=True)
    rows = tuple(sum((row[1:] for row in rest), start) for start, *rest in together)
    return Grid("", headings, rows, first.text_columns)


def summary(report: BenchReport) -> Grid:
    """Return the few decisive figures, one row an artefact."""
    words = {**_NAME, "precision": _RUNS_AS["precision"], "computes in": _RUNS_AS["computes in"]}
    return without_empty(to_grid("", report.results, words, {**_ENGINE_FPS, **_END_TO_END_FPS, **_miou(report)}))


def agreement(report: BenchReport) -> list[Grid]:
    """Return how far each artefact agrees with its reference on the video, if that was measured."""
    if not report.quality:
        return []
    words: dict[str, Callable[[QualityResult], str]] = {
        "artefact": lambda found: found.artefact,
        "reference": lambda found: found.reference,
    }
    figures: dict[str, Callable[[QualityResult], str]] = {
        "frames": lambda found: str(found.frames),
        "equal pixels": lambda found: percent(found.equal_pixels),
        "flicker": lambda found: percent(found.flicker),
        "reference flicker": lambda found: percent(found.reference_flicker),
    }
    return [to_grid("Agreement on the video, percent", report.quality, words, figures)]


def provenance(report: BenchReport) -> Grid:
    """Return which file each artefact was, what it takes, and where it ran."""
    cells: Cells = {
        "frames": lambda result: f"{result.height}x{result.width}",
        "device": lambda result: result.device,
        "energy read from": lambda result: result.energy.meter if result.energy else MISSING,
        "SHA-256": lambda result: result.sha256,
    }
    return to_grid("Artefacts", report.results, {**_NAME, **cells}, {})


def stages(report: BenchReport) -> Grid:
    """Return how long each stage works a frame."""
    names = list(dict.fromkeys(name for result in report.results for name in result.stage_milliseconds))

    def cell(name: str) -> Callable[[ArtefactResult], str]:
        return lambda result: number(result.stage_milliseconds.get(name))

    title = "Milliseconds of work a frame, by stage"
    return to_grid(title, report.results, _NAME, {name: cell(name) for name in names})


def class_table(report: BenchReport) -> Grid:
    """Return the IoU of each class, a row a class and a column an artefact that was measured on the dataset."""
    scored = [(printable(result.artefact), result.accuracy.class_iou) for result in report.results if result.accuracy]
    names = dict.fromkeys(name for _, by_class in scored for name in by_class)
    rows = tuple((printable(name), *(percent(by_class.get(name)) for _, by_class in scored)) for name in names)
    return Grid("IoU by class, percent", ("class", *(artefact for artefact, _ in scored)), rows, 1)


def _miou(report: BenchReport) -> Cells:
    counts = {result.class_count for result in report.results}
    every = f"mIoU {counts.pop()}" if len(counts) == 1 else "mIoU all"
    figures: Cells = {
        "mIoU 19": lambda result: percent(result.accuracy.miou_official if result.accuracy else None),
        every: lambda result: percent(result.accuracy.miou if result.accuracy else None),
        "pixel accuracy": lambda result: percent(result.accuracy.pixel_accuracy if result.accuracy else None),
    }
    return figures


def _sureness_of(result: ArtefactResult) -> Sureness | None:
    return result.accuracy.sureness if result.accuracy else None


def _change_of(result: ArtefactResult) -> Change | None:
    return result.accuracy.change if result.accuracy else None


def _change(report: BenchReport) -> Callable[[ArtefactResult], str]:
    references = {change.reference for result in report.results if (change := _change_of(result))}

    def cell(result: ArtefactResult) -> str:
        change = _change_of(result)
        if change is None:
            return "reference" if result.artefact in references and result.accuracy else MISSING
        return signed(change.points)

    return cell
