"""Makes OpenVINO find the classes before the logits are enlarged, and afterwards only where classes meet."""

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as operators

_LINEAR = {"linear", "linear_onnx"}
_CENTRED = {"half_pixel", "pytorch_half_pixel"}
_FIRST_AXIS = 0


def find_classes_before_enlarging(model: ov.Model, *, pixel_by_pixel: bool) -> None:
    """Change, in place, an argmax of logits that were enlarged bilinearly, to an even multiple of their size.

    An enlarged pixel is a weighted mean of four. Where one class is largest in all four, it is largest in their mean:
    inside objects the classes of the small logits are those of the large ones, and nothing is enlarged. The same
    sums are computed for the rest, the few pixels whose four neighbours differ, so the labels are the same, except
    where two classes are equal up to rounding.

    `pixel_by_pixel` says how the logits lie in memory: as float32 convolutions leave them, or class by class.
    """
    for topk in model.get_ops():
        scale = _scale(topk)
        if scale is None:
            continue
        labels = _labels(topk.input_value(0).get_node().input_value(0), scale, pixel_by_pixel)
        for reader in topk.output(1).get_target_inputs():
            reader.replace_source_output(labels)


def _scale(topk: ov.Node) -> int | None:
    """Return how many times larger the logits become before this argmax; None if it does not fit."""
    if topk.get_type_name() != "TopK" or topk.output(0).get_target_inputs():
        return None
    if (topk.get_attributes()["axis"], topk.get_attributes()["mode"]) != (1, "max"):
        return None
    resize = topk.input_value(0).get_node()
    if resize.get_type_name() != "Interpolate" or len(resize.output(0).get_target_inputs()) != 1:
        return None
    shapes = [topk.output(1).partial_shape, resize.input_value(0).partial_shape, resize.output(0).partial_shape]
    if any(shape.is_dynamic or len(shape) != 4 for shape in shapes):
        return None
    found, small, large = ([each.get_length() for each in shape] for shape in shapes)
    how = resize.get_attributes()
    scale = int(large[2] // small[2])
    if (
        how["mode"] in _LINEAR
        and how["coordinate_transformation_mode"] in _CENTRED
        and not how["antialias"]
        and not any([*how["pads_begin"], *how["pads_end"]])
        and found[1] == 1
        and scale % 2 == 0
        and large == [*small[:2], scale * small[2], scale * small[3]]
    ):
        return scale
    return None


def _labels(logits: ov.Output, scale: int, pixel_by_pixel: bool) -> ov.Output:
    """Return the class ids, int32 [N, 1, scale * H, scale * W], of `logits` [N, C, H, W]."""
    batch, classes, height, width = (each.get_length() for each in logits.partial_shape)
    last = operators.transpose(logits, operators.constant([0, 2, 3, 1]))
    read, axis = (last, 3) if pixel_by_pixel else (logits, 1)
    coarse = operators.topk(read, operators.constant(1), axis, "max", "value", stable=True).output(1)
    pixels = operators.reshape(last, operators.constant([batch * height * width, classes]), False)
    axis_of_pixels = operators.constant(_FIRST_AXIS)

    # Between four pixels lies a square of scale x scale enlarged ones, which these four decide.
    corners = operators.constant(_corners(batch, height, width))
    flat = operators.reshape(coarse, operators.constant([-1]), False)
    squares = operators.gather(flat, corners, axis_of_pixels)  # [squares, 4]
    highest, lowest = (
        reduce(squares, operators.constant([1])) for reduce in (operators.reduce_max, operators.reduce_min)
    )
    mixed = operators.reshape(
        operators.non_zero(operators.not_equal(highest, lowest), "i32"), operators.constant([-1]), False
    )

    around = operators.gather(pixels, operators.gather(corners, mixed, axis_of_pixels), axis_of_pixels)  # [mixed, 4, C]
    shares = operators.constant(_shares(scale).astype(logits.element_type.to_dtype()))
    decided = _argmax(operators.matmul(shares, around, False, False), classes)  # [mixed, scale * scale]

    alike = operators.broadcast(
        operators.reshape(highest, operators.constant([-1, 1]), False),
        operators.constant([batch * (height + 1) * (width + 1), scale * scale]),
    )
    whole = operators.scatter_update(alike, mixed, decided, axis_of_pixels)
    side_by_side = operators.transpose(
        operators.reshape(whole, operators.constant([batch, height + 1, width + 1, scale, scale]), False),
        operators.constant([0, 1, 3, 2, 4]),
    )
    rows, columns = scale * height, scale * width
    padded = operators.reshape(side_by_side, operators.constant([batch, 1, rows + scale, columns + scale]), False)
    edge = scale // 2  # half of a square lies outside
    cut = operators.slice(
        padded,
        operators.constant([edge, edge]),
        operators.constant([edge + rows, edge + columns]),
        operators.constant([1, 1]),
        operators.constant([2, 3]),
    )
    labels: ov.Output = cut.output(0)
    return labels


def _argmax(logits: ov.Node, classes: int) -> ov.Node:
    """Return the first of the largest along the last axis of `logits` [A, B, classes], as int32 [A, B].

    For a number of pixels that differs from frame to frame it is faster than OpenVINO's own.
    """
    kind = logits.output(0).element_type.to_dtype()
    last = operators.constant([2])
    largest = operators.equal(logits, operators.reduce_max(logits, last, True))
    ids = operators.constant(np.arange(classes).astype(kind))
    first = operators.reduce_min(operators.select(largest, ids, operators.constant(np.array(classes, kind))), last)
    return operators.convert(first, "i32")


def _corners(batch: int, height: int, width: int) -> npt.NDArray[np.int32]:
    """Return the pixels left above, right above, left below and right below each square, [squares, 4].

    A square at the edge has the pixels there twice: logits are constant beyond it.
    """
    rows, columns = (np.clip(np.arange(-1, length + 1), 0, length - 1) for length in (height, width))
    number = np.arange(batch)[:, None, None] * height * width + rows[:, None] * width + columns
    above, below = number[:, :-1], number[:, 1:]
    four = [above[:, :, :-1], above[:, :, 1:], below[:, :, :-1], below[:, :, 1:]]
    return np.stack(four, axis=-1).reshape(-1, 4).astype(np.int32)


def _shares(scale: int) -> npt.NDArray[np.float64]:
    """Return the weight of each of the four pixels in each pixel of the square between them, [scale * scale, 4]."""
    second = (np.arange(scale) + 0.5) / scale
    line = np.stack([1 - second, second], axis=-1)
    return np.kron(line, line).astype(np.float64)
