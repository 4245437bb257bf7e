"""ModelSpec: what a model needs to be used, carried as JSON inside every artefact."""

import json
from dataclasses import asdict, fields
from importlib.metadata import version
from typing import Annotated, Literal

from annotated_types import Ge, Le, Len
from packaging.version import Version
from pydantic import ConfigDict, FiniteFloat, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import from_json

from segdata.errors import ContractError
from segdata.images.size import Size
from segdata.text import first_problem

SPEC_KEY = "edgeseg.spec"
"""The metadata key under which safetensors and ONNX files carry the spec."""

PRECISION_KEY = "edgeseg.precision"
"""The metadata key under which ONNX files carry their precision: fp32, fp16 or int8."""

CALIBRATION_KEY = "edgeseg.calibration"
"""The metadata key under which INT8 ONNX files carry which frames calibrated them: `frame_id` of each, with commas."""

WEIGHTS_KEY = "edgeseg.weights"
"""The metadata key under which ONNX files carry the SHA-256 of the checkpoint they were exported from."""

Precision = Literal["fp32", "fp16", "int8"]

LARGEST_SIDE = 1 << 14
"""How many pixels a side of a frame may have: a file that says more is damaged or malicious."""

Side = Annotated[int, Ge(1), Le(LARGEST_SIDE)]
"""The height or width of a frame, in pixels."""

Name = Annotated[str, Len(0, 200)]
"""The name of a class or a label space, as messages and pictures show it."""

_Byte = Annotated[int, Ge(0)]
_Triple = tuple[FiniteFloat, FiniteFloat, FiniteFloat]


def frame_id(image_sha256: str) -> str:
    """Return how artefacts name a frame: the first 16 hexadecimal digits of its image file's SHA-256."""
    return image_sha256[:16]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ModelSpec:
    """The contract between training and everything after it.

    `mean` and `std` are per RGB channel, for pixel values 0 to 255: the graph computes (frame - mean) / std.
    `metrics` are the figures measured when the weights were chosen, as fractions 0 to 1. `pretrained` names the weights
    that training started from, with their licence; empty if it started from none. A network from elsewhere has the
    architecture "onnx", and the name and SHA-256 of its file, what made it, and its licence if known.
    `unknown` names the fields of a later edgeseg that this one does not know, and left out.
    """

    height: Side
    width: Side
    label_space: Name
    class_names: Annotated[tuple[Name, ...], Len(1, 254)]
    colours: tuple[tuple[_Byte, _Byte, _Byte], ...]
    architecture: Name
    options: dict[Name, int | Name]
    # ImageNet statistics on the 0-255 scale: the usual choice for street photographs, and one set for every tool.
    mean: _Triple = (123.675, 116.28, 103.53)
    std: _Triple = (58.395, 57.12, 57.375)
    channel_order: Literal["RGB"] = "RGB"
    metrics: dict[str, float] | None = None
    edgeseg_version: str = ""
    pretrained: Name = ""
    source: Name = ""
    source_sha256: Name = ""
    producer: Name = ""
    licence: Name = ""
    unknown: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "ModelSpec":
        if len(self.colours) != len(self.class_names):
            raise ValueError(f"{len(self.class_names)} class names but {len(self.colours)} colours")
        if any(value > 255 for colour in self.colours for value in colour):
            raise ValueError("a colour above 255")
        if min(self.std) <= 0:
            raise ValueError("a standard deviation that is not positive")
        return self

    @property
    def size(self) -> Size:
        """The size of a frame."""
        return Size(self.height, self.width)

    @property
    def class_count(self) -> int:
        """How many classes the network tells apart."""
        return len(self.class_names)

    def to_json(self) -> str:
        """Return the spec as one line of JSON."""
        values = asdict(self)
        if not self.unknown:
            del values["unknown"]
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, origin: str) -> "ModelSpec":
        """Read what `to_json` wrote; raise ContractError, naming `origin`, for anything else."""
        try:
            return TypeAdapter(cls).validate_json(_without_later_fields(text, {field.name for field in fields(cls)}))
        except ValidationError as error:
            raise ContractError(
                f"{origin}: its model spec is not one edgeseg wrote ({first_problem(error, 'spec')}); export it again"
            ) from None


def _without_later_fields(text: str, known: set[str]) -> str:
    """Return the JSON of a spec without the fields that a later edgeseg added; they are named in `unknown`."""
    try:
        values = from_json(text)
        later = Version(values["edgeseg_version"]) > Version(version("edgeseg"))
    except (
        ValueError,
        KeyError,
        TypeError,
    ):  # not JSON, not of a spec, or without a version: reported where it is read
        return text
    added = sorted(set(values) - known) if later else []
    if not added:
        return text
    kept = {name: value for name, value in values.items() if name in known}
    return json.dumps({**kept, "unknown": [name[:200] for name in added]})
