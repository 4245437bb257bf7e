"""Finding classes before enlarging the logits gives the same classes as afterwards."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import segrun.runners.openvino  # noqa: F401 - keeps openvino from reporting to its makers
from segrun.runners.coarse_argmax import find_classes_before_enlarging

import openvino as ov  # isort: skip
from openvino import opset13 as operators  # isort: skip

Logits = npt.NDArray[np.float32]


def enlarging(shape: tuple[int, ...], scale: int, mode: str = "linear_onnx", where: str = "half_pixel") -> ov.Model:
    """Logits of `shape` -> the class ids of the logits enlarged `scale` times."""
    logits = operators.parameter(shape, np.float32)
    size = operators.constant([scale * shape[2], scale * shape[3]])
    large = operators.interpolate(
        logits, size, mode, "sizes", coordinate_transformation_mode=where, axes=operators.constant([2, 3])
    )
    return ov.Model([operators.topk(large, operators.constant(1), 1, "max", "value", stable=True).output(1)], [logits])


def labels_of(model: ov.Model, logits: Logits) -> npt.NDArray[np.int32]:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    return np.array(compiled([logits])[0])


def enlarges(model: ov.Model) -> bool:
    return any(node.get_type_name() == "Interpolate" for node in model.get_ops())


def areas(shape: tuple[int, ...], seed: int, areas_a_side: int) -> Logits:
    """Logits with areas in which one class is likely, as in real networks."""
    random = np.random.default_rng(seed)
    batch, classes, height, width = shape
    coarse = random.integers(0, classes, (batch, areas_a_side, areas_a_side))
    rows, columns = (np.arange(length) * areas_a_side // length for length in (height, width))
    likely = np.eye(classes, dtype=np.float32)[coarse[:, rows[:, None], columns]].transpose(0, 3, 1, 2)
    return np.ascontiguousarray(4 * likely + random.normal(size=shape).astype(np.float32))


@settings(max_examples=25, deadline=None)  # each compiles a network
@given(
    batch=st.integers(1, 2),
    classes=st.integers(2, 30),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    scale=st.sampled_from([2, 4, 8]),
    seed=st.integers(0, 2**16),
    areas_a_side=st.integers(1, 5),
    by_pixel=st.booleans(),
)
def test_the_labels_are_those_of_the_enlarged_logits(
    batch: int, classes: int, height: int, width: int, scale: int, seed: int, areas_a_side: int, by_pixel: bool
) -> None:
    shape = batch, classes, height, width
    logits = areas(shape, seed, areas_a_side)
    model = enlarging(shape, scale)
    find_classes_before_enlarging(model, pixel_by_pixel=by_pixel)
    assert not enlarges(model)
    large = torch.nn.functional.interpolate(torch.from_numpy(logits), scale_factor=float(scale), mode="bilinear")
    np.testing.assert_array_equal(labels_of(model, logits), large.argmax(dim=1, keepdim=True))


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_of_classes_that_are_equally_likely_the_first_is_taken(value: float) -> None:
    shape = 1, 5, 4, 6
    model = enlarging(shape, 2)
    find_classes_before_enlarging(model, pixel_by_pixel=True)
    assert not labels_of(model, np.full(shape, value, np.float32)).any()


@pytest.mark.parametrize(
    "model",
    [
        enlarging((1, 3, 4, 4), 3),
        enlarging((1, 3, 4, 4), 2, mode="nearest"),
        enlarging((1, 3, 4, 4), 2, where="align_corners"),
        enlarging((1, 3, 4, 4), 2, where="asymmetric"),
    ],
    ids=["an odd multiple", "nearest", "corners aligned", "not centred"],
)
def test_logits_that_are_enlarged_in_another_way_are_left_alone(model: ov.Model) -> None:
    find_classes_before_enlarging(model, pixel_by_pixel=True)
    assert enlarges(model)


def test_logits_that_are_read_elsewhere_too_are_left_alone() -> None:
    model = enlarging((1, 3, 4, 4), 2)
    large = next(node for node in model.get_ops() if node.get_type_name() == "Interpolate")
    both = ov.Model([model.output(0).get_node().input_value(0), large.output(0)], model.get_parameters())
    find_classes_before_enlarging(both, pixel_by_pixel=True)
    assert enlarges(both)
