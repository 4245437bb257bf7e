"""Label Studio's "brush labels to PNG": a mask a region, whose name says its task and label, and a list of tasks.

Source of the names: `save_brush_images_from_annotation` in label_studio_converter/brush.py. The masks do not say which
image they are of: a JSON or JSON-MIN export beside them does, or the images are called after the tasks.
"""

import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2

from segdata.errors import InputError
from segdata.formats.reading.base import Annotated, AnnotatedImage, ClassFound, Region
from segdata.formats.reading.images import Images, frame_name
from segdata.formats.reading.json_file import items
from segdata.formats.reading.label_studio import image_name, without_prefix
from segdata.formats.reading.shapes import Mask
from segdata.formats.reading.values import name_of, number_of, split_of
from segdata.images.image_file import decode_image

LAYOUT = "Label Studio PNG"
_NAME = re.compile(r"task-(\d+)-annotation-(\d+)(?:-by-[^-]*)?-([^-]+)-(.+)-(\d+)\.png", re.IGNORECASE)


@dataclass(frozen=True)
class MaskFile:
    """An image file whose pixels above 0 are in the region."""

    file: Path

    def mask(self, height: int, width: int) -> Mask:
        """Return the pixels."""
        try:
            image = decode_image(self.file.read_bytes(), cv2.IMREAD_GRAYSCALE)
        except OSError as error:
            raise InputError(f"{self.file} cannot be read ({error.strerror})") from None
        if image is None:
            raise InputError(f"{self.file} is not a whole image")
        if image.shape != (height, width):
            shown = f"{image.shape[1]}x{image.shape[0]}"
            raise InputError(f"{self.file} is {shown}, the image {width}x{height}; need one size")
        return Mask(image > 0)


def is_brush_mask(file: Path) -> bool:
    """Return whether a file has the name of a brush mask of Label Studio."""
    return _NAME.fullmatch(file.name) is not None


def read_label_studio_pngs(source: Path, files: list[Path], images: Images, tasks: list[Path]) -> Annotated:
    """Return the regions that `files`, masks, hold; `tasks` are JSON files that may say which image a task is of.

    A task's last annotation counts; of its regions those of the later name, and of the later number, lie on top. Raises
    InputError if something is not as Label Studio says.
    """
    named = _images_of(tasks)
    regions: dict[tuple[Path, int], dict[int, list[tuple[str, int, Path]]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        match = _NAME.fullmatch(file.name)
        if match:
            label = name_of({"label": match[4]}, "label", file)
            regions[file.parent, int(match[1])][int(match[2])].append((label, int(match[5]), file))
    classes: dict[str, ClassFound] = {}
    found: list[AnnotatedImage] = []
    missing: list[tuple[Path, str]] = []
    for (_, task), annotations in sorted(regions.items()):
        last = sorted(annotations[max(annotations)])
        mask = last[0][2]
        path = _image(task, named.get(task), mask, source, images)
        if path is None:
            missing.append((mask, f"the image of task {task}, or a JSON export that names it"))
            continue
        drawn = [Region(classes.setdefault(label, ClassFound(label)), MaskFile(file)) for label, _, file in last]
        split = split_of(mask, source) or split_of(path, source)
        found.append(AnnotatedImage(frame_name(path.name), split, path, mask, None, drawn))
    return Annotated(LAYOUT, tuple(classes.values()), found, missing)


def _images_of(files: list[Path]) -> dict[int, str]:
    """Return the names of images by their tasks' numbers, from exports in JSON or JSON-MIN."""
    names = {}
    for file in files:
        for _, task in items(file):
            with suppress(InputError):  # a list of something else
                number = number_of(task, "id", file)
                names[number] = image_name(task.get("data", task), file)
    return names


def _image(task: int, name: str | None, mask: Path, source: Path, images: Images) -> Path | None:
    if name is None:
        return next((path for called in (f"task-{task}", f"{task}") if (path := images.called(called))), None)
    split = split_of(mask, source)
    path = images.find(name, mask, split)
    short = without_prefix(name)
    return images.find(short, mask, split) if path is None and short is not None else path
