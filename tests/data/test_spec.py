"""The model spec, which every artefact contains, and what is refused as invalid."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.errors import ContractError
from segdata.labels import CITYSCAPES_19, CITYSCAPES_29
from segdata.spec import ModelSpec

SPEC = ModelSpec(
    height=128,
    width=256,
    label_space=CITYSCAPES_29.name,
    class_names=CITYSCAPES_29.names,
    colours=CITYSCAPES_29.colours,
    architecture="unet",
    options={"width": 16, "depth": 4},
    metrics={"miou": 0.41, "miou_official": 0.52},
    edgeseg_version="0.1.0",
)


def changed(**change: object) -> str:
    return json.dumps(json.loads(SPEC.to_json()) | change)


def test_a_spec_comes_back_from_json_as_it_was() -> None:
    text = SPEC.to_json()
    assert "\n" not in text
    again = ModelSpec.from_json(text, "model.onnx")
    assert again == SPEC
    assert type(again.colours[0]) is tuple
    assert again.class_count == 29


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 4096),
    names=st.lists(st.text(max_size=20), min_size=1, max_size=254),
    options=st.dictionaries(st.text(max_size=8), st.integers(-(2**40), 2**40), max_size=4),
    mean=st.tuples(*[st.floats(-1e6, 1e6)] * 3),
    metrics=st.none() | st.dictionaries(st.text(max_size=8), st.floats(0, 1), max_size=3),
)
def test_any_spec_comes_back_from_json(
    height: int,
    names: list[str],
    options: dict[str, int | str],
    mean: tuple[float, float, float],
    metrics: dict[str, float] | None,
) -> None:
    colours = tuple((index, 255 - index, 0) for index in range(len(names)))
    spec = ModelSpec(height, 8, "mine", tuple(names), colours, "unet", options, mean=mean, metrics=metrics)
    assert ModelSpec.from_json(spec.to_json(), "model.onnx") == spec


def test_what_a_spec_leaves_out_has_its_default() -> None:
    fields = json.loads(SPEC.to_json())
    for name in ("mean", "std", "channel_order", "metrics", "edgeseg_version"):
        del fields[name]
    spec = ModelSpec.from_json(json.dumps(fields), "model.onnx")
    assert spec.mean == pytest.approx([255 * value for value in (0.485, 0.456, 0.406)])
    assert spec.std == pytest.approx([255 * value for value in (0.229, 0.224, 0.225)])
    assert (spec.channel_order, spec.metrics) == ("RGB", None)


def test_fields_of_a_later_version_are_left_out_and_named() -> None:
    spec = ModelSpec.from_json(changed(anchors=3, zoom=2, edgeseg_version="99.0"), "model.onnx")
    assert spec.unknown == ("anchors", "zoom")
    assert (spec.height, spec.class_names) == (SPEC.height, SPEC.class_names)
    assert ModelSpec.from_json(spec.to_json(), "model.onnx") == spec
    assert "unknown" not in SPEC.to_json()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param(changed(anchors=3), "anchors: Unexpected", id="unknown key"),
        pytest.param(changed(colours=[[0, 0, 256]] * 29), "a colour above 255", id="colour above 255"),
        pytest.param(changed(colours=[[0, -1, 0]] * 29), r"colours\.0\.1: ", id="negative colour"),
        pytest.param(changed(colours=[[0, 0]] * 29), r"colours\.0\.2: ", id="colour of two values"),
        pytest.param(changed(colours=[[1, 2, 3]] * 28), "29 class names but 28 colours", id="colours lacking"),
        pytest.param(changed(class_names=CITYSCAPES_19.names), "19 class names but 29 colours", id="names lacking"),
        pytest.param(changed(class_names=[], colours=[]), "class_names: ", id="no class"),
        pytest.param(changed(class_names=["x"] * 255, colours=[[0, 0, 0]] * 255), "class_names: ", id="255 as a class"),
        pytest.param(changed(height=0), "height: ", id="no height"),
        pytest.param(changed(width="wide"), "width: ", id="width that is no number"),
        pytest.param(changed(std=[1.0, 0.0, 1.0]), "not positive", id="std of 0"),
        pytest.param(changed(mean=[1.0]), r"mean\.1: ", id="mean of one channel"),
        pytest.param(changed(channel_order="BGR"), "channel_order: ", id="BGR"),
        pytest.param(changed(options={"width": [16]}), r"options\.width\.int: ", id="option that is a list"),
        pytest.param('{"height": 128}', "width: ", id="fields lacking"),
        pytest.param("", "not JSON", id="empty"),
        pytest.param("not json", "not JSON", id="not JSON"),
        pytest.param(SPEC.to_json()[:-20], "not JSON", id="cut off"),
        pytest.param("[1, 2]", "spec: ", id="a list"),
        pytest.param("null", "spec: ", id="null"),
    ],
)
def test_anything_else_is_refused_naming_where_it_came_from(text: str, what: str) -> None:
    with pytest.raises(ContractError, match=what) as refusal:
        ModelSpec.from_json(text, str(Path("models/unet.onnx")))
    message = str(refusal.value)
    assert message.startswith("models/unet.onnx: its model spec is not one edgeseg wrote (")
    assert message.endswith("; export it again")
    assert "\n" not in message


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        SPEC.height = 64  # type: ignore[misc] # the point of the test
