"""The graph contract: frames uint8 [N, H, W, 3] -> labels uint8 [N, H, W], and metadata that describes them.

A file may have a second output, confidence uint8 [N, H, W]: 255 times the probability of each label, rounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast, get_args

from segdata.errors import ContractError
from segdata.spec import CALIBRATION_KEY, PRECISION_KEY, SPEC_KEY, WEIGHTS_KEY, ModelSpec, Precision
from segdata.text import short

FRAMES = "frames"
LABELS = "labels"
CONFIDENCE = "confidence"

LARGEST_RUN = 1 << 24
"""How many pixels a runner takes at once: 256 frames of 256x256. A file that says more is damaged or malicious."""


@dataclass(frozen=True)
class Contract:
    """The contract of an ONNX file: spec, precision, how many frames it takes at once, whether it gives confidence.

    `calibration_frames` has the `frame_id` of each frame that calibrated its INT8; `weights` is the SHA-256 of the
    checkpoint it was exported from, "" in a file of edgeseg 0.1.
    """

    spec: ModelSpec
    precision: Precision
    batch: int
    calibration_frames: tuple[str, ...]
    weights: str
    confidence: bool


def contract_of(metadata: Mapping[str, str], signature: Sequence[str], origin: str) -> Contract:
    """Return the contract of an ONNX file by its metadata and its signature.

    `signature` describes inputs, then outputs, as `name type [shape]`: `frames uint8 [1, 128, 128, 3]`. Raises
    ContractError, naming `origin`, if the file is not one of edgeseg's.
    """
    if SPEC_KEY not in metadata or PRECISION_KEY not in metadata:
        raise ContractError(f"{origin}: an ONNX file without edgeseg's model spec; need one written by seg-export")
    spec = ModelSpec.from_json(metadata[SPEC_KEY], origin=origin)
    precision = metadata[PRECISION_KEY]
    if precision not in get_args(Precision):
        raise ContractError(f"{origin}: its precision is {short(precision)!r}, need {', '.join(get_args(Precision))}")
    return Contract(
        spec,
        cast("Precision", precision),
        batch_of(spec, signature, origin),
        tuple(filter(None, metadata.get(CALIBRATION_KEY, "").split(","))),
        metadata.get(WEIGHTS_KEY, ""),
        has_confidence(signature),
    )


def batch_of(spec: ModelSpec, signature: Sequence[str], origin: str) -> int:
    """Return how many frames an artefact takes at once; raise ContractError if `signature` is not that of `spec`."""
    size = [spec.height, spec.width]
    head = signature[0].partition("[")[2].partition(",")[0] if signature else ""
    batch = int(head) if head.isdigit() and int(head) > 0 else 1
    if batch * spec.height * spec.width > LARGEST_RUN:
        raise ContractError(
            f"{origin}: takes {batch} frames of {spec.width}x{spec.height}, need {LARGEST_RUN} pixels or less; "
            "export it with a smaller --batch"
        )
    wanted = [f"{FRAMES} uint8 {[batch, *size, 3]}", f"{LABELS} uint8 {[batch, *size]}"]
    if has_confidence(signature):
        wanted.append(f"{CONFIDENCE} uint8 {[batch, *size]}")
    if list(signature) != wanted:
        raise ContractError(
            f"{origin} breaks the graph contract: got {short(', '.join(signature))}, need {', '.join(wanted)}"
        )
    return batch


def has_confidence(signature: Sequence[str]) -> bool:
    """Return whether an artefact has the second output."""
    return any(value.startswith(f"{CONFIDENCE} ") for value in signature)
