"""The pictures of the documentation: what each shipped model makes of a street video, its failures included.

    python benchmarks/gallery.py highway_540p.mp4 docs 1

In the folder it writes `street.gif`, which opens the README: three seconds of the video from that second on. For each
model it writes `gallery-NAME.jpg`: three frames of the video, two of them again in a quarter of the light, and a scene
that edgeseg paints. No frame is chosen by its result.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from contact_sheet import Image, darkened
from segdata.images.resize import resize_frame
from segdata.shipped import MODELS
from segdata.synth import scene
from segdata.video.reader import VideoReader

GIF = ("--duration", "3", "--every", "5", "--classes", "cityscapes-8", "--palette", "vivid", "--legend")
PLACES = (0.15, 0.5, 0.85)  # of the video
TILE = (270, 480)  # height and width in pixels
QUALITY = 85  # of JPEG: a gallery stays below 200 KB


def write_frames(video: Path, folder: Path) -> None:
    """Write the six frames of a gallery, in order, as PNG files of the size of a tile."""
    with VideoReader(video) as reader:
        images: list[Image] = [resize_frame(image, *TILE) for image in reader.images()]
    by_day = [images[round(place * (len(images) - 1))] for place in PLACES]
    for number, image in enumerate([*by_day, *map(darkened, by_day[:2]), scene(7, *TILE).image]):
        cv2.imwrite(str(folder / f"{number}.png"), image[..., ::-1])


def seg_run(*words: str | Path) -> None:
    """Run seg-run; what it reports of its speed is of no interest here."""
    subprocess.run([sys.executable, "-m", "segrun", *words], check=True, capture_output=True)


def main() -> None:
    """Write the GIF and a gallery for each model that ships."""
    video, folder, start = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    seg_run(video, "--start", start, *GIF, "-o", folder / "street.gif")
    with TemporaryDirectory() as name:
        frames, drawn = Path(name, "frames"), Path(name, "drawn")
        frames.mkdir()
        write_frames(video, frames)
        for model in MODELS:
            seg_run(*sorted(frames.iterdir()), "--model", model, "--legend", "-o", drawn / "{name}.png")
            tiles = [np.asarray(cv2.imread(str(path))) for path in sorted(drawn.iterdir())]
            rows = [np.hstack(tiles[:3]), np.hstack(tiles[3:])]
            target = folder / f"gallery-{model}.jpg"
            cv2.imwrite(str(target), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            print(target)


if __name__ == "__main__":
    main()
