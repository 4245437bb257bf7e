"""The roofline of an artefact, compared with figures computed by hand; it is always labelled an estimate."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

from helpers.engine_files import toy_spec, write_engine
from segbench.estimate import as_table, bound_of, estimate, layer_table
from segdata.devices import Device
from segdata.errors import ContractError
from segdata.files import sha256_of
from segdata.spec import PRECISION_KEY, SPEC_KEY

if TYPE_CHECKING:
    from conftest import Artefacts, Refused

DEVICE = Device("paper", {"fp32": 100.0, "fp16": 1000.0, "int8": 1000.0}, 100.0, "made up", "Paper")

# 4x4 pixels; 1x1 from 3 to 2 channels: 96 MACs on 48 + 32 + 6 values; 3x3 from 2 to 4: 1152 on 32 + 64 + 72.
FIRST, SECOND = (96, 86), (1152, 168)


def two_layers(path: Path, batch: int = 1) -> Path:
    weights = {"thin": np.ones((2, 3, 1, 1), np.float32), "wide": np.ones((4, 2, 3, 3), np.float32)}
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "thin"], ["two"], "first"),
        helper.make_node("Conv", ["two", "wide"], ["four"], "second", pads=[1, 1, 1, 1]),
        helper.make_node("ArgMax", ["four"], ["ids"], axis=1, keepdims=0),
        helper.make_node("Cast", ["ids"], ["labels"], to=TensorProto.UINT8),
    ]
    ends = [
        helper.make_tensor_value_info("frames", TensorProto.UINT8, [batch, 4, 4, 3]),
        helper.make_tensor_value_info("labels", TensorProto.UINT8, [batch, 4, 4]),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    model = helper.make_model(helper.make_graph(nodes, "two", ends[:1], ends[1:], tensors))
    helper.set_model_props(model, {SPEC_KEY: toy_spec(4, 4).to_json(), PRECISION_KEY: "fp32"})
    onnx.save(model, path)
    return path


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return two_layers(tmp_path / "two.onnx")


def test_two_layers_by_hand(two: Path) -> None:
    found = estimate(two, DEVICE)
    assert [(layer.macs, layer.values) for layer in found.layers] == [FIRST, SECOND]
    assert found.macs == 96 + 1152
    assert found.bytes_moved == 4 * (86 + 168)
    # As fp32: 2 * 96 / 100 against 4 * 86 / 100, so memory; 2 * 1152 / 100 against 4 * 168 / 100, so arithmetic.
    assert found.frames_a_second_in("fp32") == pytest.approx(1 / (3.44 + 23.04))
    assert [bound_of(layer, DEVICE) for layer in found.layers] == ["memory", "arithmetic"]
    # As fp16 both wait for memory, as int8 the second for arithmetic again.
    assert found.frames_a_second_in("fp16") == pytest.approx(1 / (1.72 + 3.36))
    assert found.frames_a_second_in("int8") == pytest.approx(1 / (0.86 + 2.304))
    assert found.frames_a_second == pytest.approx(found.frames_a_second_in("fp32"))
    assert found.binds == "arithmetic"


def test_what_binds_is_where_the_time_goes_not_where_the_layers_are_many(two: Path) -> None:
    slow_memory = Device("paper", {"fp32": 100.0, "fp16": 1.0, "int8": 1.0}, 20.0, "made up")  # 17.2 s and 33.6 s
    assert estimate(two, slow_memory).binds == "memory"


def test_a_batch_reads_its_weights_once(tmp_path: Path) -> None:
    found = estimate(two_layers(tmp_path / "three.onnx", batch=3), DEVICE)
    assert found.batch == 3
    assert found.macs == 96 + 1152
    assert found.bytes_moved == pytest.approx(4 * (86 + 168) - 4 * (6 + 72) * 2 / 3)
    run = 4 * (3 * (48 + 32) + 6) / 100 + 3 * 23.04
    assert found.frames_a_second == pytest.approx(3 / run)


def test_an_artefact_as_it_is_has_each_layer_in_its_own_precision(artefacts: "Artefacts") -> None:
    """All but the head of the int8 artefact is int8."""
    device = Device("arithmetic alone", {"fp32": 1e9, "fp16": 2e9, "int8": 4e9}, 1e18, "made up")
    found = estimate(artefacts.onnx["int8"], device)
    head = found.layers[-1].macs
    assert found.precision == "int8"
    assert found.frames_a_second == pytest.approx(1 / (2 * (found.macs - head) / 4e9 + 2 * head / 1e9))
    assert found.frames_a_second_in("fp32") < found.frames_a_second < found.frames_a_second_in("int8")


def test_an_engine_is_estimated_by_the_onnx_file_beside_it(two: Path, refused: "Refused") -> None:
    plan, digest = two.with_name("two.sm75.engine"), sha256_of(two)
    engine = write_engine(plan, toy_spec(4, 4), onnx=two.name, onnx_sha256=digest)
    found = estimate(engine, DEVICE)
    assert found.layers == estimate(two, DEVICE).layers
    assert (found.artefact, found.sha256) == (engine.name, sha256_of(engine))
    two.unlink()
    with refused(r"two.sm75.engine: need two.onnx, which it was built from, beside it"):
        estimate(engine, DEVICE)
    two_layers(two, batch=2)
    with refused(r"need two.onnx"):
        estimate(engine, DEVICE)


def test_what_is_no_artefact_is_refused_in_one_line(tmp_path: Path, refused: "Refused") -> None:
    with refused("no such file"):
        estimate(tmp_path / "none.onnx", DEVICE)
    (tmp_path / "unet.safetensors").write_bytes(b"weights")
    with refused(r"got a .safetensors, need .onnx or .engine"):
        estimate(tmp_path / "unet.safetensors", DEVICE)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with refused("not an ONNX file"):
        estimate(tmp_path / "broken.onnx", DEVICE)
    model = onnx.load(two_layers(tmp_path / "empty.onnx"))
    kept = [node for node in model.graph.node if node.op_type != "Conv"]
    kept[2].input[0] = "planes"
    del model.graph.node[:]
    model.graph.node.extend(kept)
    onnx.save(model, tmp_path / "empty.onnx")
    with refused("no convolution in it", ContractError):
        estimate(tmp_path / "empty.onnx", DEVICE)


def shown(table: Table) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_every_figure_in_the_tables_stands_under_the_word_estimate(two: Path) -> None:
    found = estimate(two, DEVICE)
    for table in (as_table([found]), layer_table(found)):
        assert str(table.title).startswith("Estimate, not a measurement")
        figures = [str(column.header) for column in table.columns if column.justify == "right"]
        words = [str(column.header) for column in table.columns if column.justify != "right"]
        assert all("estimate" in heading for heading in figures)
        assert set(words) <= {"artefact", "layer", "precision"}
        assert "made up" in shown(table)


def test_the_tables_show_the_figures(tmp_path: Path) -> None:
    device = Device("GTX", {"fp32": 1e6, "fp16": 2e6, "int8": 4e6}, 1e12, "made up")
    found = estimate(two_layers(tmp_path / "[red]two.onnx"), device)
    row = next(line for line in shown(as_table([found])).splitlines() if "[red]two.onnx" in line)
    assert row.split()[2:] == ["0.0", "401", "801", "1,603", "arithmetic"]
    row = next(line for line in shown(layer_table(found)).splitlines() if line.startswith("second"))
    assert row.split() == ["second", "fp32", "0.00", "0.001", "2,304.0", "arithmetic"]


def test_estimates_verdicts_and_preflights_are_there_without_the_export_extra() -> None:
    program = (
        "import sys; sys.modules.update(onnx=None, torch=None, onnxruntime=None); "
        "import segbench.judge.verdict, segbench.preflight.preflight, segbench.preflight.table; "
        "from segbench.artefacts import models_by_precision; from pathlib import Path\n"
        "try: models_by_precision(Path('a'), Path('b'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("MissingDependencyError onnx is not installed; run: pip install 'edgeseg[export]'")
