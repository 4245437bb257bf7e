"""Networks from elsewhere: wrapping keeps their labels, and asks for what the file does not say."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from helpers.commands import run_command
from helpers.foreign_networks import HEIGHT, MEAN, STD, WIDTH, Form, says, write_network
from segdata.errors import ContractError, InputError
from segdata.images.size import Size
from segdata.synth import scene
from segexport.wrap.options import WrapOptions
from segexport.wrap.wrap import wrap
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segrun.runners.openvino import OpenVINORunner

Refused = Callable[..., AbstractContextManager[None]]

STATISTICS = {"mean": ",".join(map(str, MEAN)), "std": ",".join(map(str, STD))}

FORMS = {
    "scores": Form(),
    "scores, NHWC in": Form(channels_first=False),
    "scores, NHWC out": Form(maps_first=False),
    "scores, NHWC in and out": Form(channels_first=False, maps_first=False),
    "scores at a half": Form(stride=2),
    "scores at a quarter, NHWC out": Form(stride=4, maps_first=False),
    "probabilities": Form(output="softmax"),
    "probabilities at a half": Form(output="softmax", stride=2),
    "float16 in": Form(dtype="float16"),
    "uint8 in, NHWC": Form(dtype="uint8", channels_first=False),
    "one probability": Form(output="sigmoid", classes=2),
    "one probability at a half": Form(output="sigmoid", classes=2, stride=2),
    "one logit": Form(output="logit", classes=2),
    "one logit without channels": Form(output="logit", classes=2, rank=3),
    "one probability, NHWC": Form(output="sigmoid", classes=2, channels_first=False, maps_first=False),
    "ids int64": Form(output="argmax int64"),
    "ids int64 without channels": Form(output="argmax int64", rank=3),
    "ids int64 without batch": Form(output="argmax int64", rank=2),
    "ids int32 at a half": Form(output="argmax int32", stride=2),
    "ids uint8": Form(output="argmax uint8"),
    "ids float": Form(output="argmax float"),
    "yes or no": Form(output="bool", classes=2),
    "open size": Form(open_size=True),
    "batch norm": Form(batch_norm=True),
    "weights as inputs": Form(weights_as_inputs=True, batch_norm=True),
    "set 7": Form(opset=7),
    "set 9, Upsample": Form(opset=9, stride=2, upsample="Upsample"),
    "set 10, Resize": Form(opset=10, stride=2, upsample="Resize"),
    "set 12, Resize": Form(opset=12, stride=2, upsample="Resize"),
    "set 17": Form(opset=17, batch_norm=True),
    "set 20": Form(opset=20, output="softmax"),
    "two outputs": Form(second_output=True),
}


def classes_file(folder: Path, count: int) -> Path:
    path = folder / "classes.toml"
    tables = [f'[[classes]]\nname = "c{n}"\ncolour = [{9 * n}, {255 - 9 * n}, 7]\nids = [{n}]\n' for n in range(count)]
    path.write_text('name = "theirs"\n' + "".join(tables))
    return path


def options_for(folder: Path, form: Form, **more: Any) -> WrapOptions:  # noqa: ANN401 - of any option
    statistics = {"normalise": "none"} if form.dtype == "uint8" else STATISTICS
    size = Size(HEIGHT, WIDTH) if form.open_size else None
    take = None
    if form.second_output:
        take = onnx.load(folder / "net.onnx").graph.output[0].name
    given_options = {
        "classes": str(classes_file(folder, form.classes)), "size": size, "take": take, **statistics, **more,
    }  # fmt: skip
    return WrapOptions(network=folder / "net.onnx", output=folder / "net.fp32.onnx", **given_options)


def frames(count: int) -> list[Any]:
    noise = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return [*(scene(50 + number, HEIGHT, WIDTH).image for number in range(count - 1)), noise]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_wrapped_network_says_what_it_said(form: Form, tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx", form)
    made = wrap(options_for(tmp_path, form))
    for kind in (OnnxRuntimeRunner, lambda path: OpenVINORunner(path, "f32")):
        with kind(made.file) as runner:
            equal = [(runner(frame[None])[0] == says(form, frame)).mean() for frame in frames(3)]
            assert runner.precision == "fp32"
        assert np.mean(equal) >= (0.998 if form.dtype == "float16" else 0.9999)
    assert made.equal >= 0.9999
    assert made.spec.source == "net.onnx"
    assert made.spec.producer == "others"


@settings(max_examples=15, deadline=None)
@given(
    form=st.builds(
        Form,
        output=st.sampled_from(["scores", "softmax", "argmax int64"]),
        classes=st.integers(2, 12),
        channels_first=st.booleans(),
        stride=st.sampled_from([1, 2, 4]),
        opset=st.sampled_from([8, 11, 13, 16, 18]),
        batch_norm=st.booleans(),
    ),
    bgr=st.booleans(),
    corners=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_form_says_what_numpy_says(
    tmp_path_factory: pytest.TempPathFactory, form: Form, bgr: bool, corners: bool, seed: int
) -> None:
    assume(form.output != "softmax" or form.opset >= 13)  # before, it was over channels and places together
    folder = tmp_path_factory.mktemp("form")
    write_network(folder / "net.onnx", form, seed)
    made = wrap(options_for(folder, form, bgr=bgr, corners=corners))
    frame = scene(seed, HEIGHT, WIDTH).image
    with OnnxRuntimeRunner(made.file) as runner:
        found = runner(frame[None])[0]
    assert (found == says(form, frame, bgr=bgr, corners=corners, seed=seed)).mean() >= 0.999


def saved(path: Path, nodes: list[onnx.NodeProto], output: list[int], **more: Any) -> Path:  # noqa: ANN401
    entry = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])
    exit_value = helper.make_tensor_value_info("out", TensorProto.FLOAT, output)
    graph = helper.make_graph(nodes, "network", [entry], [exit_value], more.get("weights", []))
    onnx.save(
        helper.make_model(graph, opset_imports=more.get("sets", [helper.make_opsetid("", 13)]), ir_version=8), path
    )
    return path


def classifier(path: Path) -> None:
    nodes = [helper.make_node("GlobalAveragePool", ["picture"], ["p"]), helper.make_node("Flatten", ["p"], ["out"])]
    saved(path, nodes, [1, 3])


def detector(path: Path) -> None:
    shape = numpy_helper.from_array(np.array([1, 85, -1], dtype=np.int64), "shape")
    weight = numpy_helper.from_array(np.ones((85, 3, 8, 8), dtype=np.float32), "w")
    nodes = [helper.make_node("Conv", ["picture", "w"], ["c"], strides=[8, 8]),
             helper.make_node("Reshape", ["c", "shape"], ["out"])]  # fmt: skip
    saved(path, nodes, [1, 85, 60], weights=[shape, weight])


def of_another_domain(path: Path) -> None:
    node = helper.make_node("Fancy", ["picture"], ["out"], domain="com.others")
    saved(path, [node], [1, 3, HEIGHT, WIDTH], sets=[helper.make_opsetid("", 13), helper.make_opsetid("com.others", 1)])


def unknown(path: Path) -> None:
    saved(path, [helper.make_node("Fancy", ["picture"], ["out"])], [1, 3, HEIGHT, WIDTH])


def loop(path: Path) -> None:
    branch = helper.make_graph([helper.make_node("Identity", ["picture"], ["b"])], "b", [],
                               [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)])  # fmt: skip
    condition = numpy_helper.from_array(np.array(True), "yes")
    node = helper.make_node("If", ["yes"], ["out"], then_branch=branch, else_branch=branch)
    saved(path, [node], [1, 3, HEIGHT, WIDTH], weights=[condition])


def weights_elsewhere(path: Path) -> None:
    write_network(path, Form())
    model = onnx.load(path)
    onnx.save_model(model, path, save_as_external_data=True, location="net.weights", size_threshold=0)
    (path.parent / "net.weights").unlink()


def weights_outside(path: Path) -> None:
    write_network(path, Form())
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="../secret")
    path.write_bytes(model.SerializeToString())


def of_form(**form: Any) -> Callable[[Path], None]:  # noqa: ANN401 - of any field
    return lambda path: write_network(path, Form(**form))


MISTAKES: dict[str, tuple[Callable[[Path], object], dict[str, Any], str]] = {
    "no classes": (of_form(), {"classes": None}, "what the classes are cannot be seen from the file: give --classes"),
    "no normalisation": (
        of_form(),
        {"mean": None, "std": None},
        "cannot be seen from the file: give --normalise imagenet",
    ),
    "half a normalisation": (of_form(), {"std": None}, "got one of --mean and --std, need both"),
    "two normalisations": (of_form(), {"normalise": "unit"}, "got --mean and --normalise unit; name one of them"),
    "text for a mean": (of_form(), {"mean": "a,b,c"}, "got --mean a,b,c, need three numbers"),
    "a deviation of zero": (of_form(), {"std": "0,1,1"}, "got --std 0,1,1, need three numbers above 0"),
    "other classes": (of_form(classes=7), {}, "has 7 channels, the classes are 5; name others with --classes"),
    "ids above the classes": (of_form(output="argmax int64", classes=7), {}, "need classes for them, got 5"),
    "open size": (of_form(open_size=True), {}, r"leaves open how large its pictures are; give --size WxH"),
    "another size": (of_form(), {"size": Size(64, 64)}, "takes pictures of 80x48, got --size 64; leave it out"),
    "several outputs": (of_form(second_output=True), {}, "second; name one with --take"),
    "no such output": (of_form(), {"take": "mask"}, "has no output mask; its outputs are"),
    "a classifier": (classifier, {}, "is that of an image classifier, not a map"),
    "a detector": (detector, {}, "is that of a detector, not a map"),
    "a domain of others": (of_another_domain, {}, "its operator Fancy is of com.others, need ONNX's own"),
    "an unknown operator": (unknown, {}, "unknown operator Fancy"),
    "control flow": (loop, {}, "has the control flow If, need a plain graph"),
    "weights that are missing": (
        weights_elsewhere,
        {},
        "its weights are in net.weights, which is missing; put that file",
    ),
    "weights out of the folder": (weights_outside, {}, "secret.*; need them in a file beside it"),
    "text": (lambda path: path.write_text("no network"), {}, "not an ONNX file"),
    "nothing": (lambda path: path.write_bytes(b""), {}, "not an ONNX file, or an empty one"),
    "no file": (lambda path: None, {}, "cannot be read .*; name an .onnx file"),
    "a name without its end": (of_form(), {"output": Path("net.onnx")}, r"need a name that ends in \.fp32\.onnx"),
    "set 6": (lambda path: old(path), {}, "it uses operator set 6, need 7 or later"),
}


def old(path: Path) -> None:
    write_network(path, Form())
    model = onnx.load(path)
    model.opset_import[0].version = 6
    onnx.save(model, path)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(mistake: str, tmp_path: Path, refused: Refused) -> None:
    write, changes, said = MISTAKES[mistake]
    write(tmp_path / "net.onnx")
    options = options_for(tmp_path, Form())
    before = {path.name for path in tmp_path.iterdir()}
    with refused(said, (InputError, ContractError)):
        wrap(replace(options, **changes))
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_mean_of_0_to_1_is_warned_of(tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx", Form())
    made = wrap(options_for(tmp_path, Form(), mean="0.485,0.456,0.406", std="0.229,0.224,0.225"))
    assert made.normalisation.warning == (
        "mean 0.485,0.456,0.406 of 0 to 255 is nearly black; multiply by 255 what is of 0 to 1"
    )


def test_weights_beside_the_file_are_folded_in(tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx", Form())
    model = onnx.load(tmp_path / "net.onnx")
    onnx.save_model(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.weights", size_threshold=0)
    made = wrap(options_for(tmp_path, Form()))
    (tmp_path / "net.weights").unlink()
    frame = frames(1)[0]
    with OnnxRuntimeRunner(made.file) as runner:
        assert (runner(frame[None])[0] == says(Form(), frame)).mean() > 0.9999


def test_the_command_says_what_it_found_and_draws_the_picture_that_was_asked_for(tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx", Form(stride=2, opset=11))
    cv2.imwrite(str(tmp_path / "street.png"), scene(1, 90, 160).image[..., ::-1])
    words = ["wrap", "net.onnx", "--classes", classes_file(tmp_path, 5), "--normalise", "imagenet", "--bgr"]
    done = run_command("seg-export", *words, "--check", "street.png", "--licence", "MIT", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["net.fp32.onnx", "net.check.png"]
    for told in ("set 11, converted to 20", "float32 [1, 3, H, W], 80x48", "enlarged from 40x24", "MIT", "100.000%"):
        assert told in done.stdout, told
    picture = cv2.imread(str(tmp_path / "net.check.png"))
    assert picture is not None
    assert picture.shape == (90, 320, 3)


def test_what_is_wrapped_is_exported_in_float16(tmp_path: Path) -> None:
    form = Form(stride=2, classes=3, batch_norm=True)
    write_network(tmp_path / "net.onnx", form)
    made = wrap(options_for(tmp_path, form))
    done = run_command("seg-export", made.file, "--fp16", "--engine", "none", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    with OnnxRuntimeRunner(tmp_path / "out/net.fp16.onnx") as runner:
        assert (runner.precision, runner.spec, runner.weights) == ("fp16", made.spec, made.spec.source_sha256)
        equal = [(runner(frame[None])[0] == says(form, frame)).mean() for frame in frames(2)]
    assert np.mean(equal) > 0.99
