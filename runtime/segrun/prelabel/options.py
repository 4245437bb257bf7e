"""The options of `seg-data prelabel`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge

from segdata.command_line.option import argument, option

PrelabelFormat = Literal["cvat", "labelstudio", "coco"]


@dataclass(frozen=True, kw_only=True)
class PrelabelOptions:
    """The options of one run: a video or a folder of images, and how many of its frames are written as what.

    Every `every`th frame of `source` is looked at. `model` is a shipped model's name or an artefact, None for the one
    that seg-run takes.
    """

    source: str = argument(metavar="VIDEO|FOLDER")
    output: Path = option(None, "Folder to write.", "-o", "--output", metavar="DIR", required=True)
    format: PrelabelFormat = option("cvat", "Which tool corrects the labels.")
    budget: Annotated[int, Ge(1)] = option(200, "How many frames there is time to label.")
    model: Path | None = option(
        None, "A shipped model by its name, or a file of seg-export.", metavar="NAME|FILE", show_default="unet-256-lite"
    )
    every: Annotated[int, Ge(1)] = option(1, "Look only at every Nth frame.")
