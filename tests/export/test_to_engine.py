"""The real TensorRT-RTX builder: errors name the node, and leave no engine."""

import importlib.util
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import pytest

from helpers.children import child
from segdata.errors import ContractError, EdgeSegError, MissingDependencyError
from segexport.engine.build_progress import OnProgress
from segexport.engine.settings import (
    Target,
    capability_of,
    choose_target,
    configure,
    open_timing_cache,
    save_timing_cache,
)
from segexport.engine.to_engine import Provenance, build_engine, log_path
from segexport.graph.contract import check_contract
from segexport.graph.onnx_file import OnnxFile
from segexport.options import EngineOptions
from segrun.runners.tensorrt.library import TensorRT, collecting_logger, load_tensorrt
from segrun.runners.tensorrt.manifest import read_manifest

if TYPE_CHECKING:
    from conftest import Artefacts, Refused

SM75 = Target("any GPU of compute capability 7.5", "7.5")
PLAIN = EngineOptions()
REBUILD = Provenance("rebuild")


def opened(path: Path) -> OnnxFile:
    """An ONNX file whose operators were not checked, since TensorRT's own errors are tested here."""
    model = onnx.load(path)
    return OnnxFile(path, model, check_contract(model))


@pytest.fixture
def library() -> TensorRT:
    pytest.importorskip("tensorrt_rtx", reason="the builder is tensorrt_rtx, which is not installed")
    return load_tensorrt("tensorrt-rtx")


Build = Callable[..., Path]
"""`build(options=EngineOptions(), on_progress=...)`: build the small fp32 network in a folder of its own, `folder`."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "exports"


@pytest.fixture
def build(library: TensorRT, artefacts: "Artefacts", folder: Path) -> Build:
    folder.mkdir()
    path = folder / "small.fp32.onnx"
    path.write_bytes(artefacts.onnx["fp32"].read_bytes())

    def call(options: EngineOptions = PLAIN, on_progress: OnProgress = lambda phase, step, steps: None) -> Path:
        return build_engine(library, opened(path), SM75, options, REBUILD, on_progress)

    return call


def _files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_an_engine_comes_with_its_manifest(build: Build, folder: Path) -> None:
    assert read_manifest(build()).compute_capability == "7.5"
    assert _files(folder) == ["small.fp32.onnx", "small.fp32.sm75.engine", "small.fp32.sm75.engine.json"]


def _with_operators(artefacts: "Artefacts", path: Path, operators: dict[str, str]) -> Path:
    model = onnx.load(artefacts.onnx["fp32"])
    relus = [node for node in model.graph.node if node.op_type == "Relu"]
    for node, (name, operator) in zip(relus, operators.items(), strict=False):
        node.name, node.op_type = name, operator
    onnx.save(model, path)
    return path


def test_every_node_with_an_operator_tensorrt_lacks_is_named(
    library: TensorRT, artefacts: "Artefacts", tmp_path: Path, refused: "Refused"
) -> None:
    path = _with_operators(artefacts, tmp_path / "odd.onnx", {"first": "Det", "second": "NoSuchThing", "": "Det"})
    said = (
        "odd.onnx: TensorRT cannot read it: node first: TensorRT has no operator Det; "
        r"node second: TensorRT has no operator NoSuchThing; node number \d+: TensorRT has no operator Det$"
    )
    with refused(said, EdgeSegError):
        build_engine(library, opened(path), SM75, PLAIN, REBUILD)
    assert _files(tmp_path) == ["odd.onnx"]


def test_progress_is_reported_by_phase_and_step(build: Build) -> None:
    steps: dict[str, list[tuple[int, int]]] = {}
    build(on_progress=lambda phase, step, total: steps.setdefault(phase, []).append((step, total)))
    assert "Building engine" in steps
    for reported in steps.values():
        assert reported[0][0] == 0
        assert all(0 <= step <= total for step, total in reported)
    assert any(step == total for reported in steps.values() for step, total in reported)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("at", [1, 9])
def test_what_progress_raises_stops_the_build_and_leaves_no_engine(
    library: TensorRT, build: Build, folder: Path, raised: type[BaseException], at: int
) -> None:
    calls = []

    def fail(phase: str, step: int, steps: int) -> None:
        calls.append(phase)
        if len(calls) == at:
            raise raised

    with pytest.raises(raised):
        build(replace(PLAIN, build_log=True), fail)
    assert len(calls) == at
    assert "Build canceled by user" in collecting_logger(library).take_errors()
    assert _files(folder) == ["small.fp32.onnx"]


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from segexport.options import EngineOptions
from segexport.engine.settings import Target
from segexport.engine.to_engine import Provenance, build_engine
from segexport.graph.onnx_file import read_onnx
from segrun.runners.tensorrt.library import load_tensorrt

signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the commands do

def slow(phase, step, steps):
    print(phase, flush=True)
    time.sleep(0.05)

try:
    library, target = load_tensorrt("tensorrt-rtx"), Target("any", "7.5")
    source = read_onnx(Path(sys.argv[1]))
    build_engine(library, source, target, EngineOptions(build_log=True), Provenance("rebuild"), slow)
except KeyboardInterrupt:
    print("stopped by Ctrl-C", flush=True)
"""


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_build_and_leaves_no_engine(
    artefacts: "Artefacts", tmp_path: Path, name: signal.Signals
) -> None:
    path = tmp_path / "small.onnx"
    path.write_bytes(artefacts.onnx["fp32"].read_bytes())
    command = [sys.executable, "-c", INTERRUPTED, str(path)]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Building engine\n"
        process.send_signal(name)
        out, err = process.communicate(timeout=120)
    lines = out.splitlines()
    assert (process.returncode, lines[-1:], err) == (0, ["stopped by Ctrl-C"], "")
    assert len(lines) < 20  # a whole build reports more than a hundred steps
    assert _files(tmp_path) == ["small.onnx"]


INTERRUPTED_LOGGING = """
import signal, sys
from pathlib import Path
from segexport.options import EngineOptions
from segexport.engine.settings import Target
from segexport.engine.to_engine import Provenance, build_engine
from segexport.graph.onnx_file import read_onnx
from segrun.runners.tensorrt.library import collecting_logger, load_tensorrt

class Stream:
    interrupted = False

    def write(self, text):
        if not self.interrupted and "Registering" in text:
            self.interrupted = True
            signal.raise_signal(signal.SIGINT)

library = load_tensorrt("tensorrt-rtx")
collecting_logger(library).stream = Stream()
try:
    source = read_onnx(Path(sys.argv[1]))
    build_engine(library, source, Target("any", "7.5"), EngineOptions(), Provenance("rebuild"))
except KeyboardInterrupt as interrupt:
    print("stopped by Ctrl-C;", interrupt.__context__)
"""


@pytest.mark.usefixtures("library")
def test_ctrl_c_while_tensorrt_logs_stops_the_build_too(artefacts: "Artefacts", tmp_path: Path) -> None:
    """Most of the Python that runs during a build is the logger, so most interrupts come there."""
    path = tmp_path / "small.onnx"
    path.write_bytes(artefacts.onnx["fp32"].read_bytes())
    command = [sys.executable, "-c", INTERRUPTED_LOGGING, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("stopped by Ctrl-C; ")
    assert "Build canceled by user" in done.stdout
    assert _files(tmp_path) == ["small.onnx"]


def test_ctrl_c_is_the_callers_again_after_a_build(build: Build) -> None:
    before = signal.getsignal(signal.SIGINT)
    build()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_build_log_says_every_layers_types_after_fusion(build: Build) -> None:
    log = log_path(build(replace(PLAIN, build_log=True))).read_text()
    assert "[VERBOSE]" in log
    assert re.search(r"^Name: \S*conv\S*, LayerType: \w+, Inputs: .* Datatype: Float, ", log, re.MULTILINE)


def test_the_log_of_a_build_that_failed_is_kept_and_no_engine(build: Build, folder: Path, refused: "Refused") -> None:
    with refused("small.fp32.onnx: TensorRT cannot build it: .*workspace", EdgeSegError):
        build(replace(PLAIN, build_log=True, workspace_mb=1))
    assert _files(folder) == ["small.fp32.onnx", "small.fp32.sm75.engine.log"]
    assert "[ERROR]" in (folder / "small.fp32.sm75.engine.log").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"optimization_level": 6}, "got builder optimisation level 6, need 0 .* to 5"),
        ({"optimization_level": -1}, "got builder optimisation level -1, need 0 .* to 5"),
        ({"workspace_mb": 0}, "got a workspace of 0 MB, need 1 or more"),
        ({"timing_cache": Path("x.cache")}, "timing cache x.cache, but TensorRT-RTX .* ask for a GPU"),
    ],
)
def test_options_out_of_range_or_not_for_this_library_are_refused_first(
    build: Build, folder: Path, options: dict[str, Any], said: str, refused: "Refused"
) -> None:
    with refused(said):
        build(replace(PLAIN, **options))
    assert _files(folder) == ["small.fp32.onnx"]


def test_options_reach_the_builder(library: TensorRT) -> None:
    trt: Any = library.module
    config = trt.Builder(collecting_logger(library)).create_builder_config()
    configure(library, config, EngineOptions(workspace_mb=512, optimization_level=5))
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 512 * 2**20
    assert config.builder_optimization_level == 5
    assert config.profiling_verbosity == trt.ProfilingVerbosity.DETAILED


def test_an_engine_is_built_at_each_optimization_level_end(build: Build) -> None:
    for level in (0, 5):
        assert build(replace(PLAIN, optimization_level=level)).stat().st_size > 0


@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")
def test_a_timing_cache_is_written_and_read_back_and_a_broken_one_is_refused_untouched(
    library: TensorRT, tmp_path: Path, refused: "Refused"
) -> None:
    """TensorRT-RTX has the same calls, although it times nothing: this is what can run without a GPU."""
    logger = collecting_logger(library)
    path = tmp_path / "kernels.cache"
    builder = library.module.Builder(logger)
    config = builder.create_builder_config()
    save_timing_cache(open_timing_cache(library, config, logger, path), path)
    assert _files(tmp_path) == ["kernels.cache"]
    path.write_bytes(b"rubbish" * 50)
    with refused(r"timing cache .*kernels.cache is broken, or of another GPU or version .* delete it"):
        open_timing_cache(library, config, logger, path)
    assert path.read_bytes() == b"rubbish" * 50
    with refused("timing cache .* cannot be read: Is a directory"):
        open_timing_cache(library, config, logger, tmp_path)


def test_a_wrong_compute_capability_is_refused_with_those_there_are(library: TensorRT, refused: "Refused") -> None:
    for wrong in ("7.4", "75", "turing", ""):
        with refused(f"got compute capability '{wrong}', need one of 7.5, 8.0, 8.6"):
            choose_target(library, wrong)
    assert choose_target(library, "7.5") == SM75
    assert capability_of(library, "7.5") == library.module.ComputeCapability.SM75


def test_mixed_types_are_refused_because_the_network_is_strongly_typed(
    library: TensorRT, artefacts: "Artefacts", tmp_path: Path
) -> None:
    """Precision is what the ONNX says: the builder must not convert on its own."""
    model = onnx.load(artefacts.onnx["fp16"])
    bias = next(node for node in model.graph.node if node.op_type == "Conv" and len(node.input) == 3).input[2]
    for tensor in model.graph.initializer:
        if tensor.name == bias:
            values = onnx.numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    path = tmp_path / "mixed.onnx"
    onnx.save(model, path)
    with pytest.raises(EdgeSegError, match="TensorRT cannot"):
        build_engine(library, opened(path), SM75, PLAIN, REBUILD)


def test_an_onnx_of_another_tool_is_refused(library: TensorRT, artefacts: "Artefacts", tmp_path: Path) -> None:
    model = onnx.load(artefacts.onnx["fp32"])
    del model.metadata_props[:]
    path = tmp_path / "foreign.onnx"
    onnx.save(model, path)
    with pytest.raises(ContractError, match="without edgeseg's model spec"):
        build_engine(library, opened(path), SM75, PLAIN, REBUILD)


def test_tensorrt_that_is_not_installed_is_named_with_the_command_that_installs_it() -> None:
    if importlib.util.find_spec("tensorrt"):
        pytest.skip("tensorrt is installed here")
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgeseg\[tensorrt\]'"):
        load_tensorrt("tensorrt")
