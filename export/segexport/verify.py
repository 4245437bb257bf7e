"""The proof before an export is kept: it agrees with the float32 PyTorch model on frames that calibrated nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from segdata.dataset import Dataset
from segdata.errors import VerificationError
from segdata.labels import CITYSCAPES_29
from segdata.metrics import accuracy, confusion_matrix
from segdata.spec import ModelSpec, Precision
from segdata.synth import scene
from segexport.graph import DeployableGraph
from segrun.onnxruntime_runner import OnnxRuntimeRunner
from segrun.runner import Frames, Labels

SYNTHETIC_FRAMES = 32
"""How many generated scenes stand in where no dataset is given."""

_SYNTHETIC_SEED = 1000  # apart from the seeds of demo and tests


@dataclass(frozen=True)
class Threshold:
    """What an export must reach: the least share of equal pixels, the greatest loss of mIoU (both fractions)."""

    equal_pixels: float
    miou_drop: float


# Measured on UNets trained on Cityscapes: fp16 99.9 % equal, int8 98.2 to 98.7 % and 0.1 points of mIoU.
THRESHOLDS: dict[Precision, Threshold] = {
    "fp32": Threshold(equal_pixels=0.9999, miou_drop=0.0005),
    "fp16": Threshold(equal_pixels=0.995, miou_drop=0.001),
    "int8": Threshold(equal_pixels=0.98, miou_drop=0.003),
}

# Generated scenes are not what a model was trained and calibrated on: its margins are softer there. Measured with the
# shipped model: int8 97.9 % equal and 0.07 points, where it has 99.0 % and 0.01 on real frames.
GENERATED_THRESHOLDS: dict[Precision, Threshold] = {
    **THRESHOLDS,
    "int8": Threshold(equal_pixels=0.96, miou_drop=0.01),
}


@dataclass(frozen=True)
class Proof:
    """Frames, uint8 [N, H, W, 3], their truth, uint8 [N, H, W], and what the float32 model makes of them.

    `thresholds` are what an export must reach on these frames.
    """

    description: str
    thresholds: dict[Precision, Threshold]
    frames: Frames
    truth: Labels
    reference: Labels
    miou: float


@dataclass(frozen=True)
class Agreement:
    """How an export compares with the float32 model; fractions 0 to 1, `miou_change` is export minus reference."""

    equal_pixels: float
    miou: float
    miou_change: float


def proof_of(graph: DeployableGraph, spec: ModelSpec, dataset: Dataset | None, on_frame: Callable[[], None]) -> Proof:
    """Run the float32 `graph` on the dataset's evaluation frames, or on generated scenes if there is no dataset.

    Raises InputError if the dataset is of another size or other classes than the model.
    """
    description, frames, truth = _frames_of(spec, dataset)
    reference = np.empty_like(truth)
    with torch.inference_mode():
        for index, frame in enumerate(frames):
            reference[index] = graph(torch.from_numpy(np.array(frame[None])))[0].numpy()
            on_frame()
    thresholds = THRESHOLDS if dataset else GENERATED_THRESHOLDS
    return Proof(description, thresholds, frames, truth, reference, _miou(truth, reference, spec))


def frame_count(dataset: Dataset | None) -> int:
    """Return how many frames the proof takes."""
    return SYNTHETIC_FRAMES if dataset is None else len(dataset.evaluation())


def verify(onnx_file: Path, precision: Precision, proof: Proof, on_frame: Callable[[], None]) -> Agreement:
    """Run `onnx_file` with ONNX Runtime on the proof's frames; raise VerificationError if it misses its threshold."""
    predictions = np.empty_like(proof.reference)
    with OnnxRuntimeRunner(onnx_file) as runner:
        for index, frame in enumerate(proof.frames):
            predictions[index] = runner(frame[None])[0]
            on_frame()
        miou = _miou(proof.truth, predictions, runner.spec)
    agreement = Agreement(float((predictions == proof.reference).mean()), miou, miou - proof.miou)
    threshold = proof.thresholds[precision]
    if agreement.equal_pixels < threshold.equal_pixels or -agreement.miou_change > threshold.miou_drop:
        raise VerificationError(
            f"the {precision} export was not kept: on {proof.description} it equals the float32 model in "
            f"{agreement.equal_pixels:.2%} of pixels (need {threshold.equal_pixels:.2%}) and changes mIoU by "
            f"{100 * agreement.miou_change:+.2f} points (may lose {100 * threshold.miou_drop:.2f})"
        )
    return agreement


def _frames_of(spec: ModelSpec, dataset: Dataset | None) -> tuple[str, Frames, Labels]:
    if dataset is None:
        scenes = [scene(_SYNTHETIC_SEED + index, spec.height, spec.width) for index in range(SYNTHETIC_FRAMES)]
        frames = np.stack([made.image for made in scenes])
        # Exact labels of 29 classes are no truth for another label space: there, only equal pixels are compared.
        is_29 = spec.class_names == CITYSCAPES_29.names
        labels = np.stack([made.labels if is_29 else np.full_like(made.labels, 255) for made in scenes])
        return f"{SYNTHETIC_FRAMES} generated scenes", frames, labels
    dataset.check_fits(spec)
    split = dataset.evaluation()
    return f"{len(split)} evaluation frames of {dataset.folder.name}", split.images, split.labels


def _miou(truth: Labels, prediction: Labels, spec: ModelSpec) -> float:
    return accuracy(confusion_matrix(truth, prediction, spec.class_count), spec.class_names).miou
