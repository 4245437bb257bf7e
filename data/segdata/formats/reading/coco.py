"""COCO's instances: one JSON file a split, with polygons and run lengths."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from segdata.errors import InputError
from segdata.formats.reading.base import Annotated, AnnotatedImage, ClassFound, Region
from segdata.formats.reading.column_runs import ColumnRuns, Polygons
from segdata.formats.reading.images import Images, frame_name
from segdata.formats.reading.json_file import Object, items
from segdata.formats.reading.run_lengths import checked
from segdata.formats.reading.shapes import Shape, points_of
from segdata.formats.reading.values import colour_of, name_of, number_of, size_of, split_of

LAYOUT = "COCO"
_INSTANCES = "instances_"
_OF_THE_SAME_IMAGES = ("captions_", "person_keypoints_")  # what COCO delivers beside its instances


def read_coco(source: Path, files: list[Path], images: Images) -> Annotated:
    """Return what `files`, COCO's instances, hold. Crowds lie below all else, later regions on top of earlier ones.

    COCO's own captions and keypoints, beside the instances of the same images, are left alone. Raises InputError if
    something in them is not as COCO says.
    """
    classes: dict[int, ClassFound] = {}
    found: list[AnnotatedImage] = []
    missing: list[tuple[Path, str]] = []
    for file in files:
        if any(
            file.with_name(file.name.replace(kind, _INSTANCES, 1)) in files
            for kind in _OF_THE_SAME_IMAGES
            if file.name.startswith(kind)
        ):
            continue
        split = split_of(file, source)
        listed: dict[int, Object] = {}
        of_file: dict[int, ClassFound] = {}
        regions: dict[int, list[tuple[int, Shape]]] = defaultdict(list)
        crowds: dict[int, list[tuple[int, Shape]]] = defaultdict(list)
        for item in annotations_of(file, listed, of_file):
            if "segments_info" in item:
                continue
            where = crowds if item.get("iscrowd") in (1, True) else regions
            image = number_of(item, "image_id", file)
            if item.get("segmentation") in (None, []):  # a box alone
                continue
            where[image].append((number_of(item, "category_id", file), _shape(item, file)))
        _check(file, listed, of_file, crowds, regions)
        classes.update({number: known for number, known in of_file.items() if number not in classes})
        for number, image_item in listed.items():
            path = images.find(image_item.get("file_name"), file, split)
            if path is None:
                missing.append((file, image_item["file_name"]))
                continue
            drawn = [*crowds.get(number, ()), *regions.get(number, ())]
            size = size_of(image_item, file)
            shapes = [Region(of_file[category], shape) for category, shape in drawn]
            found.append(AnnotatedImage(frame_name(image_item["file_name"]), split, path, file, size, shapes))
    return Annotated(LAYOUT, tuple(classes.values()), found, missing)


def annotations_of(file: Path, images: dict[int, Object], classes: dict[int, ClassFound]) -> Iterator[Object]:
    """Yield the annotations of a file, and put its images and its categories, by their numbers, into the two.

    The lists come in any order: the two are complete only after the last annotation. Raises InputError if
    something is not as COCO says.
    """
    for key, item in items(file):
        if key == "categories":
            number = number_of(item, "id", file)
            classes[number] = ClassFound(name_of(item, "name", file), number, colour_of(item.get("color")))
        elif key == "images":
            images[number_of(item, "id", file)] = item
        elif key == "annotations" and isinstance(item, dict):
            yield item


def _check(
    file: Path,
    listed: dict[int, Object],
    classes: dict[int, ClassFound],
    *regions: dict[int, list[tuple[int, Shape]]],
) -> None:
    for of_image in regions:
        for image, drawn in of_image.items():
            if image not in listed:
                raise InputError(f"{file}: annotations of image {image}, which is not in its images")
            for category, _ in drawn:
                if category not in classes:
                    raise InputError(f"{file}: annotations of category {category}, which is not in its categories")


def _shape(item: Object, file: Path) -> Shape:
    segmentation = item["segmentation"]
    try:
        if isinstance(segmentation, list):
            return Polygons(tuple(points_of(part) for part in segmentation))
        if isinstance(segmentation, dict):
            height, width = segmentation.get("size", (0, 0))
            height, width = int(height), int(width)
            counts = segmentation.get("counts")
            return ColumnRuns(counts if isinstance(counts, str) else checked(counts, height * width), height, width)
    except InputError as error:
        raise InputError(f"{file}: annotation {item.get('id')!r:.40}: {error}") from None
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{file}: annotation {item.get('id')!r:.40} has neither polygons nor an RLE with size and counts")
