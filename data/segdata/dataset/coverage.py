"""Finds classes that never occur and pixels that are ignored: accuracy figures alone would hide them."""

from collections.abc import Sequence

from segdata.dataset.facts import DatasetFacts

IGNORED_SHARE = 0.01
"""The share of ignored pixels that is worth a line."""

_LISTED = 5  # classes by name; of more, how many


def coverage_remarks(split: str, names: Sequence[str], class_pixels: Sequence[int], pixels: int) -> list[str]:
    """Return a line for each thing to know about a split of `pixels` pixels, of which each class has `class_pixels`.

    They are classes without a pixel, and ignored pixels (255) if they are `IGNORED_SHARE` or more.
    """
    missing = [name for name, count in zip(names, class_pixels, strict=True) if count == 0]
    present = [name for name, count in zip(names, class_pixels, strict=True) if count]
    lines = []
    if missing and pixels:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        alone = f", all are of {present[0]}: nothing to tell apart" if len(present) == 1 else ""
        lines.append(f"{split}: no pixel is of {', '.join(missing[:_LISTED])}{more}{alone}")
    ignored = pixels - sum(class_pixels)
    if pixels and ignored >= IGNORED_SHARE * pixels:
        hint = "; if 255 is a class in the masks, give it that id" if len(present) == 1 and missing else ""
        lines.append(f"{split}: {ignored / pixels:.1%} of the pixels are ignored (255){hint}")
    return lines


def dataset_remarks(facts: DatasetFacts) -> list[str]:
    """Return what `coverage_remarks` says of each split of a dataset."""
    return [
        line
        for name, split in facts.splits.items()
        for line in coverage_remarks(
            name, facts.class_names, split.class_pixels, len(split.names) * facts.height * facts.width
        )
    ]
