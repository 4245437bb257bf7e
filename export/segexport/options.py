"""What `seg-export` is asked for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from segdata.spec import Precision

EngineChoice = Literal["auto", "tensorrt", "rtx", "none"]
CalibrationMethodName = Literal["percentile", "entropy", "minmax"]

_NAMED_BY_THEIR_RUN = ("best", "last")
"""What seg-train calls the checkpoints of every run: the folder says which run it is."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """The options of one engine.

    `compute_capability` is that of the GPU it is for; 7.5 is the GTX 1660 Ti's. `workspace_mb` is how many MiB of GPU
    memory a layer may use for itself, `optimization_level` how hard TensorRT searches, 0 to 5; None leaves both to
    TensorRT. `timing_cache` is a file of kernel timings that is read if it exists and written after; it and
    `version_compatible`, which has later versions of TensorRT run the engine too, are not for TensorRT-RTX. `build_log`
    writes NAME.engine.log: everything that TensorRT says, kernels and precisions included.
    """

    compute_capability: str = "7.5"
    workspace_mb: int | None = None
    optimization_level: int | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    build_log: bool = False


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The options of one export. No precision named means all three.

    `checkpoint` None is the shipped model of `size` pixels. `batch` is how many frames the graph takes at once.
    `calibration` is a prepared dataset: `calibration_frames` of its calibration frames, chosen by `seed`, give the INT8
    ranges by `calibration_method`, its evaluation frames the proof. Without it, INT8 takes its ranges from
    NAME.calibration.json beside the checkpoint, and generated scenes prove. `max_drop` is how many points of mIoU INT8
    may lose: layers that cost more stay float. `verify` False keeps files that miss their threshold, and says so in the
    manifest. `overwrite` replaces artefacts of other weights. `triton` is where a Triton model repository goes.
    `engine` "auto" builds with whichever TensorRT is installed, and no engine if none is.
    """

    checkpoint: Path | None = None
    size: int | None = None
    precisions: tuple[Precision, ...] = ()
    output: Path = Path("exports")
    overwrite: bool = False
    batch: int = 1
    calibration: Path | None = None
    calibration_frames: int = 100
    calibration_method: CalibrationMethodName = "percentile"
    seed: int = 0
    max_drop: float | None = None
    verify: bool = True
    triton: Path | None = None
    engine: EngineChoice = "auto"
    building: EngineOptions = field(default_factory=EngineOptions)


def export_name(checkpoint: Path) -> str:
    """Return what the exports of a checkpoint are called: `unet-64` for runs/unet-64/best.safetensors."""
    run = checkpoint.absolute().parent.name
    return run if checkpoint.stem in _NAMED_BY_THEIR_RUN and run else checkpoint.stem
