"""Frames of videos, as they are and darkened, each as a model of a row sees it: to look at, not to measure.

    python benchmarks/contact_sheet.py SHEET.png VIDEO[,VIDEO...] MODEL.onnx [MODEL.onnx ...]

The darkened copy is (value / 255) ** 1.8 * 60: dusk, a quarter of the light. For each model it prints the classes that
cover most of each video.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segdata.images.resize import resize_frame
from segdata.video.picture import Picture
from segdata.video.reader import VideoReader
from segrun.drawing.overlay import Overlay
from segrun.runners.open import open_runner

FRAMES = 4  # of each video, evenly spread
TILE = (240, 135)  # width and height in pixels
ALPHA = 0.55

Image = npt.NDArray[np.uint8]


def darkened(image: Image) -> Image:
    """Return RGB uint8 [H, W, 3] as it would look in a quarter of the light."""
    return np.clip((image / 255.0) ** 1.8 * 60, 0, 255).astype(np.uint8)


def frames_of(video: Path) -> list[Image]:
    """Return `FRAMES` frames, evenly spread over the video."""
    with VideoReader(video) as reader:
        images = list(reader.images())
    return [images[index] for index in np.linspace(0, len(images) - 1, FRAMES).round().astype(int)]


def tile(image: Image) -> Image:
    """Return the image at the size of a tile."""
    return np.asarray(cv2.resize(image, TILE, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def main() -> None:
    """Draw the sheet: a column a frame, a row for the frames and one for each model."""
    sheet, videos, models = Path(sys.argv[1]), sys.argv[2].split(","), [Path(name) for name in sys.argv[3:]]
    columns: list[list[Image]] = []
    shown: list[tuple[str, Image]] = []
    for video in videos:
        for name, change in ((Path(video).stem, np.asarray), (f"{Path(video).stem} darkened", darkened)):
            shown += [(name, change(image)) for image in frames_of(Path(video))]
    columns = [[tile(image)] for _, image in shown]
    for model in models:
        with open_runner(model) as runner:
            overlay = Overlay(runner.spec.colours, ALPHA)
            counts: dict[str, npt.NDArray[np.int64]] = {}
            for column, (name, image) in zip(columns, shown, strict=True):
                labels = runner(resize_frame(image, runner.spec.height, runner.spec.width)[None])[0]
                column.append(tile(overlay.draw(Picture.from_rgb(image), labels).to_rgb()))
                pixels = np.bincount(labels.ravel(), minlength=runner.spec.class_count)
                counts[name] = counts.get(name, np.zeros_like(pixels)) + pixels
            for name, pixels in counts.items():
                order = np.argsort(-pixels)[:7]
                shares = ", ".join(f"{runner.spec.class_names[i]} {pixels[i] / pixels.sum():.0%}" for i in order)
                print(f"{model.name} on {name}: {shares}")
    per_row = 2 * FRAMES
    rows = [
        np.hstack([column[line] for column in columns[start : start + per_row]])
        for start in range(0, len(columns), per_row)
        for line in range(1 + len(models))
    ]
    cv2.imwrite(str(sheet), np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    main()
