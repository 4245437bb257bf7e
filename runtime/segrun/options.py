"""What `seg-run` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.shipped import SHIPPED_ONNX

Engine = Literal["auto", "openvino", "onnxruntime"]


@dataclass(frozen=True)
class RunOptions:
    """The options of one run. `alpha` is the share of the classes' colours in the result, 0 to 1."""

    video: Path
    output: Path | None = None
    model: Path = SHIPPED_ONNX
    engine: Engine = "auto"
    alpha: float = 0.5
