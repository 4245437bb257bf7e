"""ONNX files that would crash the runtimes: refused in one line before a runtime opens them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import onnx
import pytest

from helpers.sound_files import SIDE
from segdata.errors import ContractError, EdgeSegError
from segdata.spec import SPEC_KEY
from segexport.inspect.inspection import inspect_file
from segrun.options import RunnerName
from segrun.runners.contract import LARGEST_RUN
from segrun.runners.open import open_runner

if TYPE_CHECKING:
    from conftest import Refused

RUNNERS = [name for name in get_args(RunnerName) if name != "auto"]

Damage = Callable[[onnx.ModelProto], None]


def without_weight(model: onnx.ModelProto) -> None:
    del next(node for node in model.graph.node if node.op_type == "Conv").input[1:]


def in_a_loop(model: onnx.ModelProto) -> None:
    first = next(node for node in model.graph.node if node.op_type == "Relu")
    first.input[0] = model.graph.node[-2].output[0]


def into_itself(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[0].output[0]


def without_groups(model: onnx.ModelProto) -> None:
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    next(attribute for attribute in convolution.attribute if attribute.name == "group").i = 0


def with_a_huge_stride(model: onnx.ModelProto) -> None:
    pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
    next(attribute for attribute in pool.attribute if attribute.name == "strides").ints[0] = 2**62


def with_a_graph_inside(model: onnx.ModelProto) -> None:
    attribute = model.graph.node[2].attribute.add()
    attribute.name, attribute.type = "then_branch", onnx.AttributeProto.GRAPH
    attribute.g.name = "inner"


def of_another_domain(model: onnx.ModelProto) -> None:
    model.graph.node[2].domain = "com.example"


def without_output(model: onnx.ModelProto) -> None:
    del model.graph.node[-1].output[:]


def with_huge_weights(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = 2**62


def with_fewer_weights(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.raw_data = tensor.raw_data[:-1]


def with_text_for_weights(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.string_data.append(b"x")


def with_sparse_weights(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def with_functions(model: onnx.ModelProto) -> None:
    model.functions.add().name = "own"


def without_its_labels(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "others"


def with_weights_of_an_unknown_type(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = 99


def with_a_size_that_is_no_number(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -1


def of_a_version_to_come(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 2**31 - 1


def with_many_frames(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = LARGEST_RUN
    del model.graph.value_info[:]


def tiny(sound: Path) -> onnx.ModelProto:
    return onnx.load(sound / "onnx/tiny.fp32.onnx")


def written(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


_DAMAGE: tuple[tuple[Damage, str], ...] = (
    (without_weight, r"Conv 'conv_\d+' has 1 inputs, need 2 to 3"),
    (in_a_loop, "which nothing before it makes"),
    (into_itself, "which nothing before it makes"),
    (without_groups, "has group .*, need 1 to"),
    (with_a_huge_stride, "has strides .*, need 1 to"),
    (with_a_graph_inside, "has a graph or a list of tensors in it"),
    (of_another_domain, "is of 'com.example', need ONNX's own"),
    (without_output, "makes no value of its own"),
    (with_huge_weights, "are not as many as their shape"),
    (with_fewer_weights, "are not as many as their shape"),
    (with_text_for_weights, "are text, need numbers"),
    (with_sparse_weights, "it has sparse weights"),
    (with_functions, "it has functions of its own"),
    (without_its_labels, "nothing makes its output 'labels'"),
    (with_weights_of_an_unknown_type, "have type 99 and shape .*, need numbers"),
    (with_a_size_that_is_no_number, r"and shape \[-1.*, need numbers"),
    (of_a_version_to_come, "its operators are of version 2147483647"),
)


@pytest.mark.parametrize("runner_name", RUNNERS)
@pytest.mark.parametrize(("damage", "said"), _DAMAGE, ids=[damage.__name__ for damage, _ in _DAMAGE])
def test_a_graph_that_the_runtimes_would_stumble_over_is_refused(
    sound: Path, tmp_path: Path, refused: "Refused", runner_name: RunnerName, damage: Damage, said: str
) -> None:
    model = tiny(sound)
    damage(model)
    path = written(model, tmp_path / "damaged.onnx")
    with refused(rf"damaged\.onnx: .*{said}.*; export it again with seg-export", ContractError):
        open_runner(path, runner_name)


@pytest.mark.parametrize("runner_name", RUNNERS)
def test_more_frames_at_once_than_memory_is_for_are_refused(
    sound: Path, tmp_path: Path, refused: "Refused", runner_name: RunnerName
) -> None:
    model = tiny(sound)
    with_many_frames(model)
    path = written(model, tmp_path / "many.onnx")
    with refused(r"many\.onnx: ", EdgeSegError):
        open_runner(path, runner_name)


@pytest.mark.parametrize("runner_name", RUNNERS)
def test_metadata_that_is_no_text_is_refused(
    sound: Path, tmp_path: Path, refused: "Refused", runner_name: RunnerName
) -> None:
    data = (sound / "onnx/tiny.fp32.onnx").read_bytes()
    path = tmp_path / "damaged.onnx"
    path.write_bytes(data.replace(b"cityscapes-29", b"\xff\xfescapes-29"))
    with refused(r"damaged\.onnx: ", EdgeSegError):
        open_runner(path, runner_name)


@pytest.mark.parametrize("runner_name", RUNNERS)
def test_a_label_that_is_no_class_of_the_spec_is_refused(
    sound: Path, tmp_path: Path, refused: "Refused", runner_name: RunnerName
) -> None:
    model = tiny(sound)
    entry = next(entry for entry in model.metadata_props if entry.key == SPEC_KEY)
    values = json.loads(entry.value)
    entry.value = json.dumps(values | {"class_names": ["one"], "colours": [[0, 0, 0]]})
    bias = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [29])
    bias.raw_data = np.linspace(0, 1e6, 29, dtype=np.float32).tobytes()  # the last class, wherever one looks
    path = written(model, tmp_path / "odd.onnx")
    frames = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    with open_runner(path, runner_name) as run:
        with refused("got class 28 from the network, its spec has 1", ContractError):
            run(frames)
        with refused("got class 28 from the network, its spec has 1", ContractError):
            list(run.stream([frames]))


@pytest.mark.parametrize("runner_name", RUNNERS)
def test_frames_of_four_bits_are_refused(
    sound: Path, tmp_path: Path, refused: "Refused", runner_name: RunnerName
) -> None:
    model = tiny(sound)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT4
    path = written(model, tmp_path / "odd.onnx")
    with refused(r"odd\.onnx.*(cannot read it|breaks the graph contract)", EdgeSegError):
        open_runner(path, runner_name)


@pytest.mark.parametrize("runner_name", RUNNERS)
def test_labels_of_another_shape_than_the_graph_says_are_refused(
    sound: Path, tmp_path: Path, refused: "Refused", runner_name: RunnerName
) -> None:
    model = tiny(sound)
    for attribute in next(node for node in model.graph.node if node.op_type == "ArgMax").attribute:
        if attribute.name == "axis":
            attribute.i = 2  # over the rows, and not over the classes
    del model.graph.value_info[:]
    path = written(model, tmp_path / "odd.onnx")
    frames = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    with refused(r"breaks the graph contract|cannot (read|run) it|got labels \[", EdgeSegError):  # noqa: SIM117
        with open_runner(path, runner_name) as run:
            run(frames)


def test_frames_of_an_unknown_type_are_refused(sound: Path, tmp_path: Path, refused: "Refused") -> None:
    model = tiny(sound)
    model.graph.input[0].type.tensor_type.elem_type = 99
    del model.graph.input[0].type.tensor_type.shape.dim[:]
    path = written(model, tmp_path / "odd.onnx")
    with refused(r"odd\.onnx breaks the graph contract: got frames type 99 \[\]", ContractError):
        inspect_file(path)
