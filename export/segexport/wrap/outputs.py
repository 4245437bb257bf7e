"""Interprets a network's output: scores a class, one score for two classes, or class ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError
from segdata.images.size import Size
from segdata.text import short
from segexport.wrap.foreign import Foreign
from segexport.wrap.session import reason, session_of

Kind = Literal["scores", "one score", "ids"]
_EXAMPLES = 3
_MOST_RATIO = 64  # how many times smaller than the frame an output may be

# Operators that move values without changing their sign and range.
_MOVES = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Cast", "Resize", "Flatten", "Slice", "Gather"}


@dataclass(frozen=True)
class Meaning:
    """The output `name`, what it is, and where its classes are.

    `axis` is that of the classes, None where there is none, `channels` their number; `size` is that of the map.
    `threshold` is the least score of the second class, where there is one score; `note` says how it was found out.
    `probabilities` says that scores are from 0 to 1 and, of all classes, sum to 1.
    """

    name: str
    kind: Kind
    axis: int | None
    channels: int
    size: Size
    threshold: float = 0.0
    note: str = ""
    probabilities: bool = False


def meaning_of(foreign: Foreign, class_count: int, take: str | None) -> Meaning:
    """Return what the output of `foreign` means, by its shape, its type and its values for three pictures of noise.

    Raises InputError for a network that does not segment into so many classes, or if one of several outputs must be
    named.
    """
    found = _examples(foreign)
    name = _chosen(foreign, list(found), take)
    values = found[name]
    where = f"{foreign.path}: its output {short(name)} {list(values[0].shape)}"
    shape = values[0].shape
    whole = all(np.array_equal(np.round(value), value) for value in values)
    maps = _map_of(shape, foreign.size, class_count, finished=whole)
    if maps is None:
        raise InputError(f"{where} {_what_it_may_be(shape, foreign.size, class_count)}")
    axis, size = maps
    if size.height > foreign.size.height or size.width > foreign.size.width:
        raise InputError(f"{where} is larger than the picture, {foreign.size}; need a map of at most its size")
    channels = 1 if axis is None else shape[axis]
    integer = np.issubdtype(values[0].dtype, np.integer) or values[0].dtype == np.bool_
    if channels == 1 and (integer or (whole and _made_by(foreign, name) != "Sigmoid")):
        highest = max(int(value.max()) for value in values)
        lowest = min(int(value.min()) for value in values)
        if lowest < 0 or highest >= class_count:
            raise InputError(f"{where} has the ids {lowest} to {highest}; need classes for them, got {class_count}")
        return Meaning(name, "ids", axis, 1, size, note=f"ids {lowest} to {highest} in noise")
    if integer:
        raise InputError(f"{where} has {channels} channels of whole numbers; need scores, or ids in one channel")
    if channels == 1 and class_count == 2:
        sigmoid = _made_by(foreign, name) == "Sigmoid"
        bounded = all(value.min() >= 0 and value.max() <= 1 for value in values)
        threshold = 0.5 if sigmoid or bounded else 0.0
        note = "probabilities" if threshold else "logits"
        return Meaning(name, "one score", axis, 1, size, threshold, note, probabilities=threshold > 0)
    if channels != class_count:
        raise InputError(f"{where} has {channels} channels, the classes are {class_count}; name others with --classes")
    probabilities = all(_are_probabilities(value, axis) for value in values)
    note = "probabilities" if probabilities else "logits"
    return Meaning(name, "scores", axis, channels, size, note=note, probabilities=probabilities)


def _are_probabilities(value: npt.NDArray[Any], axis: int | None) -> bool:
    return bool(value.min() >= 0 and np.allclose(value.sum(axis=axis), 1, atol=1e-2))


def _examples(foreign: Foreign) -> dict[str, list[npt.NDArray[Any]]]:
    names = [value.name for value in foreign.model.graph.output]
    found: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in names}
    try:
        session = session_of(foreign.model)
        for seed in range(_EXAMPLES):
            made = session.run(None, {foreign.input: _example(foreign, seed)})
            for name, value in zip(names, made, strict=True):
                found[name].append(np.asarray(value))
    except Exception as error:
        raise InputError(
            f"{foreign.path}: ONNX Runtime cannot run it on {foreign.size} ({reason(error)}); try another --size"
        ) from None
    return found


def _example(foreign: Foreign, seed: int) -> npt.NDArray[Any]:
    """Return noise as the network's input, of its shape and type."""
    height, width = foreign.size
    shape = (1, 3, height, width) if foreign.channels_first else (1, height, width, 3)
    low, high = (0, 256) if np.issubdtype(foreign.dtype, np.integer) else (-2, 2)
    return np.asarray(np.random.default_rng(seed).uniform(low, high, shape), dtype=foreign.dtype)


def _chosen(foreign: Foreign, names: Sequence[str], take: str | None) -> str:
    if take is not None and take not in names:
        raise InputError(f"{foreign.path}: has no output {short(take)}; its outputs are {short(', '.join(names))}")
    if take is None and len(names) > 1:
        raise InputError(f"{foreign.path}: its outputs are {short(', '.join(names))}; name one with --take")
    return take or names[0]


def _map_of(shape: tuple[int, ...], frame: Size, class_count: int, *, finished: bool) -> tuple[int | None, Size] | None:
    """Return the axis of the classes, if there is one, and the map's size; None if the shape is not a map's.

    `finished` says that all values are whole: a single channel then holds ids.
    """
    if len(shape) == 4 and shape[0] == 1:
        fits = [axis for axis in (1, 3) if _fits(_rest(shape, axis), frame)]
        wanted = (1, class_count) if finished else (class_count, 1)
        fits.sort(key=lambda axis: wanted.index(shape[axis]) if shape[axis] in wanted else len(wanted))
        return (fits[0], _rest(shape, fits[0])) if fits else None
    if len(shape) == 3 and shape[0] == 1 and _fits(Size(*shape[1:]), frame):
        return None, Size(*shape[1:])
    if len(shape) == 2 and _fits(Size(*shape), frame) and min(shape) > 1:
        return None, Size(*shape)
    return None


def _rest(shape: tuple[int, ...], axis: int) -> Size:
    return Size(*shape[2:]) if axis == 1 else Size(*shape[1:3])


def _fits(size: Size, frame: Size) -> bool:
    """Return whether a map has about the frame's proportions: strides may round."""
    if min(size) < 1:
        return False
    tall, wide = frame.height / size.height, frame.width / size.width
    return max(tall, wide) <= _MOST_RATIO and max(tall, wide) / min(tall, wide) <= 1.25


def _what_it_may_be(shape: tuple[int, ...], frame: Size, class_count: int) -> str:
    if len(shape) == 2 or (len(shape) == 4 and shape[2:] == (1, 1)):
        return "is that of an image classifier, not a map; need a segmentation network"
    if len(shape) == 3:
        return "is that of a detector, not a map; need a segmentation network"
    return f"is not a map of a {frame} picture with {class_count} classes; need [1, C, h, w] or [1, h, w, C]"


def _made_by(foreign: Foreign, name: str) -> str:
    """Return the operator that gives an output its values, skipping those that only move them."""
    made = {output: node for node in foreign.model.graph.node for output in node.output}
    while name in made and made[name].op_type in _MOVES:
        name = made[name].input[0]
    return made[name].op_type if name in made else ""
