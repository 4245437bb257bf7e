"""The loop that one writes first, with ONNX Runtime or with PyTorch: what seg-run is compared with."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from segdata.labels import palette
from segtrain.network.checkpoint import load_checkpoint

Image = npt.NDArray[np.uint8]


def plain_loop(
    video: Path, target: Path, height: int, width: int, segment: Callable[[Image], Image], colours: Image
) -> int:
    """Segment `video` into `target`, one frame after the other; `segment` takes BGR [height, width, 3]."""
    capture = cv2.VideoCapture(str(video))
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), size)
    frames = 0
    while True:
        more, frame = capture.read()
        if not more:
            break
        labels = segment(np.asarray(cv2.resize(frame, (width, height)), dtype=np.uint8))
        mask = cv2.resize(colours[labels], size, interpolation=cv2.INTER_NEAREST)
        writer.write(cv2.addWeighted(frame, 0.5, mask, 0.5, 0))
        frames += 1
    capture.release()
    writer.release()
    return frames


def with_onnxruntime(model: Path) -> Callable[[Image], Image]:
    """Return what segments one BGR image with ONNX Runtime."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def segment(image: Image) -> Image:
        frames = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)[None]
        return np.asarray(session.run(None, {"frames": frames})[0][0], dtype=np.uint8)

    return segment


def with_torch(checkpoint: Path) -> tuple[Callable[[Image], Image], Image]:
    """Return what segments one BGR image with PyTorch, and the BGR colours of the classes."""
    network, spec = load_checkpoint(checkpoint)
    network.eval()
    mean, std = torch.tensor(spec.mean).view(3, 1, 1), torch.tensor(spec.std).view(3, 1, 1)

    def segment(image: Image) -> Image:
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        with torch.inference_mode():
            inputs = (torch.from_numpy(rgb).permute(2, 0, 1).float() - mean) / std
            return np.asarray(network(inputs[None])[0].argmax(0).byte().numpy(), dtype=np.uint8)

    return segment, palette(spec.colours)[:, ::-1].copy()
