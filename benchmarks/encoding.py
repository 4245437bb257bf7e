"""What H.264 costs: CPU time, size and exactness of libx264's settings on the frames of a video.

    python benchmarks/encoding.py VIDEO [FRAMES]

Prints a Markdown table. Time is of all cores, decoding not included; PSNR is of the luma, against what was encoded.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

import av
import numpy as np

PRESETS = ("ultrafast", "superfast", "veryfast")
QUALITIES = (20, 23, 26)


def luma(path: Path) -> Iterator[np.ndarray]:
    """Yield the luma of each frame, uint8 [H, W]."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            height = frame.height
            yield frame.reformat(format="yuv420p").to_ndarray()[:height].copy()


def encoded(frames: list[av.VideoFrame], target: Path, preset: str, crf: int) -> float:
    """Write `frames` with these settings; return the CPU seconds."""
    start = time.process_time()
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": preset, "crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = frames[0].height, frames[0].width, "yuv420p"
        for pts, frame in enumerate(frames):
            frame.pts = pts
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return time.process_time() - start


def main() -> None:
    """Measure every combination."""
    video, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with av.open(str(video)) as container:
        frames = [frame.reformat(format="yuv420p") for frame in islice(container.decode(video=0), count)]
    exact = list(islice(luma(video), count))
    print(f"{video.name}: {len(frames)} frames of {frames[0].width}x{frames[0].height}\n")
    print("| preset | crf | CPU ms a frame | kB a frame | PSNR, dB |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "encoded.mp4"
        for preset, crf in product(PRESETS, QUALITIES):
            seconds = min(encoded(frames, target, preset, crf) for _ in range(2))
            errors = [np.square(a.astype(np.int16) - b).mean() for a, b in zip(exact, luma(target), strict=True)]
            psnr = 10 * np.log10(255**2 / max(np.mean(errors), 1e-9))
            kilobytes = target.stat().st_size / len(frames) / 1e3
            print(
                f"| {preset} | {crf} | {1e3 * seconds / len(frames):.1f} | {kilobytes:.1f} | {psnr:.1f} |", flush=True
            )


if __name__ == "__main__":
    main()
