"""The options of `seg-bench`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le

from segdata.command_line.option import argument, flag, option
from segrun.options import RunnerName


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """The options of one benchmark.

    `artefacts` are .onnx and .engine files; a checkpoint stands for its exports in every precision, none means the
    shipped models, and with `all_precisions` an .onnx also stands for its siblings. Without a video one of a synthetic
    drive is made; without a dataset there is no mIoU. `frames` are timed by the engine in each of `rounds`; the
    artefacts take turns within a round. The recommendation is the fastest artefact that loses at most `max_drop` points
    of mIoU, or the most accurate with `target_fps` frames a second end to end, or the fastest with `min_miou` points.
    `quality` is a folder: the artefacts are compared on the video, frame by frame, and strips of the worst frames go
    there. `json`, `markdown` and `html` are where reports go; `estimate` is the device to estimate for, instead of
    measuring.
    """

    artefacts: tuple[Path, ...] = argument(())
    all_precisions: bool = flag(
        "Also measure an .onnx file's siblings: NAME.fp32, .fp16, .int8.", group="What is measured"
    )
    data: Path | None = option(
        None,
        "Prepared dataset, or a folder of several sizes: accuracy is measured on val frames that calibrate nothing.",
        metavar="DATASET",
    )
    video: Path | None = option(None, "Video to time; a synthetic drive if not given.", metavar="FILE")
    runner: RunnerName = option("auto", "What runs .onnx files; auto is OpenVINO.", group="What is measured")
    frames: int = option(100, "Frames the engine is timed on, in each round.", group="What is measured")
    rounds: int = option(5, "Rounds; the table shows the median and the spread.", group="What is measured")
    max_drop: Annotated[float, Ge(0)] | None = option(
        None, "Recommend the fastest that loses no more mIoU.", metavar="POINTS", group="Recommendation"
    )
    target_fps: Annotated[float, Gt(0)] | None = option(
        None, "Recommend the most accurate that is as fast.", metavar="FPS", group="Recommendation"
    )
    min_miou: Annotated[float, Ge(0), Le(100)] | None = option(
        None, "Recommend the fastest that is as accurate.", metavar="POINTS", group="Recommendation"
    )
    quality: Path | None = option(
        None, "Compare on the video, unlabelled; worst frames go there.", metavar="FOLDER", group="What is measured"
    )
    estimate: str | None = option(
        None, "Measure nothing: estimate for a device, such as gtx-1660-ti.", metavar="DEVICE", group="What is measured"
    )
    json: Path | None = option(
        None, "Write all figures there; seg-bench compare reads them.", metavar="FILE", group="Reports"
    )
    markdown: Path | None = option(None, "Write the report there as Markdown.", metavar="FILE", group="Reports")
    html: Path | None = option(
        None, "Write the report there as a page with plots (extra: report).", metavar="FILE", group="Reports"
    )


@dataclass(frozen=True, kw_only=True)
class ContributeOptions:
    """The options of `contribute`: `rounds` and `frames` are those of a benchmark, `cpu` measures no GPU.

    `output` is the ZIP file to write; named after the device, in the working directory, if None.
    """

    output: Path | None = option(
        None, "ZIP file to write.", "-o", "--output", metavar="FILE", show_default="edgeseg-DEVICE.zip"
    )
    cpu: bool = flag("Measure the processor instead of a GPU.")
    frames: int = option(100, "Frames each model is timed on, in each round.")
    rounds: int = option(5, "Rounds.")
