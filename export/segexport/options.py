"""What `seg-export` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.spec import Precision

DEFAULT_COMPUTE_CAPABILITY = "7.5"
"""The GTX 1660 Ti's."""

EngineChoice = Literal["auto", "tensorrt", "rtx", "none"]
CalibrationMethodName = Literal["percentile", "entropy", "minmax"]


@dataclass(frozen=True)
class ExportOptions:
    """The options of one export. No precision named means all three.

    `checkpoint` None is the shipped model of `size` pixels. `batch` is how many frames the graph takes at once.
    `calibration` is a prepared dataset: `calibration_frames` of its calibration frames, chosen by `seed`, give the INT8
    ranges by `calibration_method`, its evaluation frames the proof. Without it, INT8 takes its ranges from
    NAME.calibration.json beside the checkpoint, and generated scenes prove. `max_drop` is how many points of mIoU INT8
    may lose: layers that cost more stay float. `qat` is how many epochs the network is trained on with INT8 in place if
    it loses more than that (or than the proof allows). `verify` False keeps files that miss their threshold, and says
    so in the manifest. `triton` is where a Triton model repository goes.

    `engine` "auto" builds with whichever TensorRT is installed, and none if none is. `workspace_mb` is how many MiB of
    GPU memory a layer may use for itself, `optimization_level` how hard TensorRT searches, 0 to 5; None leaves both to
    TensorRT. `timing_cache` is a file of kernel timings that is read if it exists and written after; it and
    `version_compatible`, which has later versions of TensorRT run the engine too, are not for TensorRT-RTX. `build_log`
    writes NAME.engine.log: all that TensorRT says, of kernels and precisions too.
    """

    checkpoint: Path | None = None
    size: int | None = None
    precisions: tuple[Precision, ...] = ()
    output: Path = Path("exports")
    batch: int = 1
    calibration: Path | None = None
    calibration_frames: int = 100
    calibration_method: CalibrationMethodName = "percentile"
    seed: int = 0
    max_drop: float | None = None
    qat: int | None = None
    verify: bool = True
    triton: Path | None = None
    engine: EngineChoice = "auto"
    compute_capability: str = DEFAULT_COMPUTE_CAPABILITY
    workspace_mb: int | None = None
    optimization_level: int | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    build_log: bool = False
