"""The options of `seg-export`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le

from segdata.command_line.option import argument, flag, option
from segdata.spec import Precision

EngineChoice = Literal["auto", "tensorrt", "rtx", "none"]
CalibrationMethodName = Literal["percentile", "entropy", "minmax"]

_NAMED_BY_THEIR_RUN = ("best", "last")
"""The names of the checkpoints of every run of seg-train: the folder says which run it is."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """The options of one engine.

    `compute_capability` is that of the GPU it is for; 7.5 is the GTX 1660 Ti's. `workspace_mb` is how many MiB of GPU
    memory a layer may use for itself, `optimization_level` how hard TensorRT searches, 0 to 5; None leaves both to
    TensorRT. `timing_cache` is a file of kernel timings that is read if it exists and written after; it is not for
    TensorRT-RTX. `build_log` writes NAME.engine.log: everything that TensorRT says, kernels and precisions included.
    """

    compute_capability: str = option(
        "7.5",
        "Compute capability the engines are for; 7.5 is the GTX 1660 Ti.",
        "--cc",
        metavar="MAJOR.MINOR",
        group="Engines",
    )
    workspace_mb: Annotated[int, Ge(1)] | None = option(
        None, "GPU memory that a layer of an engine may use, in MiB.", group="Engines"
    )
    optimization_level: Annotated[int, Ge(0), Le(5)] | None = option(
        None, "How hard TensorRT searches: 0 builds fastest, 5 runs fastest.", group="Engines"
    )
    timing_cache: Path | None = option(
        None, "File of kernel timings, read and written; not for TensorRT-RTX.", metavar="FILE", group="Engines"
    )
    build_log: bool = flag("Write everything that TensorRT says to NAME.engine.log.", group="Engines")


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The options of one export. No precision named means all three.

    `checkpoint` is a file or the name of a shipped model, with its precision if only one is wanted (unet-128.fp16);
    None is the shipped model of `size` pixels. `batch` is how many frames the graph takes at once. `calibration` is a
    prepared dataset: `calibration_frames` of its calibration frames, chosen by `seed`, give the INT8 ranges by
    `calibration_method`, its evaluation frames the proof. Without it, INT8 takes its ranges from NAME.calibration.json
    beside the checkpoint, and generated scenes are the proof. `max_drop` is how many points of mIoU INT8 may lose:
    layers that cost more stay float; `keep_float` names such layers instead, as the graph does: conv_1. `verify` False
    keeps files that miss their threshold, and says so in the manifest. `overwrite` replaces artefacts of other weights.
    `triton` is where a Triton model repository goes. `confidence` adds the second output. `engine` "auto" builds with
    whichever TensorRT is installed, and no engine if none is.
    """

    checkpoint: Path | None = argument(None)
    precisions: tuple[Precision, ...] = ()
    size: int | None = option(None, "Without CHECKPOINT: the shipped model of this size.", show_default="256")
    output: Path = option(Path("exports"), "Folder to write to.", "-o", "--output", metavar="FOLDER")
    overwrite: bool = flag("Replace artefacts of other weights.", group="Output")
    confidence: bool = flag("Also give how sure the network is of each pixel.", group="Output")
    batch: Annotated[int, Ge(1)] = option(1, "Frames the graph takes at once.", group="Output")
    calibration: Path | None = option(
        None,
        "Prepared dataset: a fifth of val calibrates INT8, the rest proves the exports. Shipped models need none.",
        metavar="DATASET",
        group="INT8 and proof",
    )
    calibration_frames: int = option(100, "Frames to calibrate on, 32 or more.", group="INT8 and proof")
    calibration_method: CalibrationMethodName = option(
        "percentile", "How ranges are chosen from the activations.", group="INT8 and proof"
    )
    seed: Annotated[int, Ge(0)] = option(0, "Chooses the calibration frames.", group="INT8 and proof")
    max_drop: Annotated[float, Ge(0)] | None = option(
        None, "Leave layers in float until INT8 loses no more mIoU.", metavar="POINTS", group="INT8 and proof"
    )
    keep_float: tuple[str, ...] = option(
        (), "Leave this layer in float; may be repeated.", metavar="LAYER", group="INT8 and proof"
    )
    verify: bool = option(
        True, "Keep only what agrees with the float model.", "--verify/--no-verify", group="INT8 and proof"
    )
    triton: Path | None = option(None, "Also write a Triton model repository.", metavar="FOLDER", group="Output")
    engine: EngineChoice = option(
        "auto", "What builds engines; auto is whichever TensorRT is installed.", group="Engines"
    )
    building: EngineOptions = field(default_factory=EngineOptions)


def export_name(checkpoint: Path) -> str:
    """Return the name of a checkpoint's exports: `unet-64` for runs/unet-64/best.safetensors."""
    run = checkpoint.absolute().parent.name
    return run if checkpoint.stem in _NAMED_BY_THEIR_RUN and run else checkpoint.stem
