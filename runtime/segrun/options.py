"""What `seg-run` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.shipped import DEFAULT_ONNX

Engine = Literal["auto", "openvino", "onnxruntime"]


@dataclass(frozen=True)
class RunOptions:
    """The options of one run.

    `alpha` is the share of the classes' colours in the result, 0 to 1. `trust` runs an engine of other bytes than its
    manifest says: a plan is executable content, so only for one you built yourself.
    """

    video: Path
    output: Path | None = None
    model: Path = DEFAULT_ONNX
    engine: Engine = "auto"
    alpha: float = 0.5
    trust: bool = False
