"""run.html: all that a run's folder shows, on one page that needs nothing but itself."""

import base64
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from segdata.files import replacing
from segtrain.history import EpochFigures, best_of

_PICTURES = {
    "curves.png": "Loss, mIoU and accuracy",
    "panels.png": "Frames of val",
    "iou.png": "IoU by class",
    "confusion.png": "Confusion",
}
_HEADINGS = ("epoch", "loss, train", "loss", "mIoU", "mIoU, 19 classes", "accuracy", "learning rate", "images/s")


@dataclass(frozen=True)
class _Row:
    cells: tuple[str, ...]
    kept: bool


def write_run_page(folder: Path, history: list[EpochFigures], epochs: int, *, running: bool) -> None:
    """Write `run.html` with the pictures that are in the folder; while the run is `running`, it reloads itself.

    `epochs` are those planned in all.
    """
    best = best_of(history)
    environment = Environment(
        loader=PackageLoader("segtrain.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    kept = "" if best is None else f"; the weights of epoch {best.epoch} are kept"
    page = environment.get_template("run.html").render(
        title=f"seg-train: {folder.name}",
        status=f"{'running: ' if running else ''}{len(history)} of {epochs} epochs{kept}",
        running=running,
        pictures=[
            (name, base64.b64encode((folder / file).read_bytes()).decode())
            for file, name in _PICTURES.items()
            if (folder / file).is_file()
        ],
        headings=_HEADINGS,
        rows=[_Row(_cells(row), row is best) for row in history],
    )
    with replacing(folder / "run.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _cells(row: EpochFigures) -> tuple[str, ...]:
    percent = (f"{100 * value:.2f}" for value in (row.miou, row.miou_official, row.pixel_accuracy))
    return (
        str(row.epoch),
        f"{row.train_loss:.4f}",
        f"{row.val_loss:.4f}",
        *percent,
        f"{row.learning_rate:.2g}",
        f"{row.images_per_second:.0f}",
    )
