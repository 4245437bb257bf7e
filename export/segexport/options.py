"""What `seg-export` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.shipped import SHIPPED_CHECKPOINT
from segdata.spec import Precision

DEFAULT_COMPUTE_CAPABILITY = "7.5"
"""The GTX 1660 Ti's."""

EngineChoice = Literal["auto", "tensorrt", "rtx", "none"]


@dataclass(frozen=True)
class ExportOptions:
    """The options of one export. No precision named means all three.

    `calibration` is a prepared dataset: its calibration frames give the INT8 ranges, its evaluation frames the proof.
    Without it, INT8 takes its ranges from NAME.calibration.json beside the checkpoint, and generated scenes prove.
    `engine` "auto" builds with whichever TensorRT is installed, and none if none is.
    """

    checkpoint: Path = SHIPPED_CHECKPOINT
    precisions: tuple[Precision, ...] = ()
    output: Path = Path("exports")
    calibration: Path | None = None
    engine: EngineChoice = "auto"
    compute_capability: str = DEFAULT_COMPUTE_CAPABILITY
