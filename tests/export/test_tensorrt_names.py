"""The names of TensorRT that the code touches exist in each library it is for.

TensorRT's own bindings do not import without NVIDIA's libraries. Of those they need nine functions, and none is called
on import: with nine that do nothing, the real bindings import and can be asked. `make` downloads them.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WHEELS = ROOT / ".tensorrt-bindings"

STAND_INS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)

ASK = """
import functools, json, sys
import tensorrt_bindings
missing = []
for name in sys.argv[1:]:
    try:
        functools.reduce(getattr, name.split("."), tensorrt_bindings)
    except AttributeError:
        missing.append(name)
print(json.dumps([tensorrt_bindings.__version__, missing]))
"""

TENSORRT_NAMES = (
    "Builder.build_serialized_network",
    "Builder.create_builder_config",
    "Builder.create_network",
    "EngineInspector.get_engine_information",
    "IBuilderConfig.builder_optimization_level",
    "IBuilderConfig.create_timing_cache",
    "IBuilderConfig.profiling_verbosity",
    "IBuilderConfig.progress_monitor",
    "IBuilderConfig.set_flag",
    "IBuilderConfig.set_memory_pool_limit",
    "IBuilderConfig.set_timing_cache",
    "ICudaEngine.create_engine_inspector",
    "ICudaEngine.create_execution_context",
    "ICudaEngine.create_runtime_config",
    "ICudaEngine.device_memory_size_v2",
    "ICudaEngine.get_tensor_dtype",
    "ICudaEngine.get_tensor_mode",
    "ICudaEngine.get_tensor_name",
    "ICudaEngine.get_tensor_shape",
    "ICudaEngine.num_io_tensors",
    "IExecutionContext.execute_async_v3",
    "IExecutionContext.set_tensor_address",
    "ILogger.Severity.ERROR",
    "ILogger.Severity.INTERNAL_ERROR",
    "ILogger.Severity.WARNING",
    "INetworkDefinition.num_layers",
    "IProgressMonitor.phase_finish",
    "IProgressMonitor.phase_start",
    "IProgressMonitor.step_complete",
    "ITimingCache.serialize",
    "LayerInformationFormat.JSON",
    "MemoryPoolType.WORKSPACE",
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
    "OnnxParser.get_error",
    "OnnxParser.num_errors",
    "OnnxParser.parse",
    "OnnxParser.supports_operator",
    "ParserError.desc",
    "ParserError.node",
    "ParserError.node_name",
    "ParserError.node_operator",
    "ProfilingVerbosity.DETAILED",
    "Runtime.deserialize_cuda_engine",
    "Runtime.engine_host_code_allowed",
    "TensorIOMode.INPUT",
    "TensorIOMode.OUTPUT",
)
"""Every name that building and running touch; TensorRT 10.16, TensorRT 11.4 and TensorRT-RTX have them all."""

RTX_NAMES = (
    "ComputeCapability.SM75",
    "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE",
    "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability",
    "IRuntimeConfig.cuda_graph_strategy",
)
"""What only TensorRT-RTX has: targets that are not at hand, CUDA graphs of its own. Touched for that flavour alone."""

TOUCHED_IN = (
    "export/segexport/engine/to_engine.py",
    "export/segexport/engine/settings.py",
    "export/segexport/engine/build_progress.py",
)
TOUCHED_IN_GLOB = "runtime/segrun/runners/tensorrt/*.py"

CLASS_OF = {
    "builder": "Builder",
    "cache": "ITimingCache",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "engine": "ICudaEngine",
    "error": "ParserError",
    "inspector": "EngineInspector",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "runtime": "Runtime",
}
"""What the builder's modules call an object of TensorRT."""


def test_tensorrt_rtx_has_every_name() -> None:
    library = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    assert [name for name in (*TENSORRT_NAMES, *RTX_NAMES) if not _has(library, name)] == []


@pytest.mark.parametrize(
    ("package", "version"), [("tensorrt_cu12_bindings", "10.16"), ("tensorrt_cu13_bindings", "11.4")]
)
def test_tensorrt_has_every_name_but_those_of_rtx(package: str, version: str, tmp_path: Path) -> None:
    found, missing = _ask_bindings(package, tmp_path, (*TENSORRT_NAMES, *RTX_NAMES))
    assert found.startswith(version)
    assert missing == list(RTX_NAMES)


def test_every_name_the_code_touches_is_in_the_table() -> None:
    """The table cannot drift from the code: what is touched and not in it was never looked for in the libraries."""
    files = [*(ROOT / name for name in TOUCHED_IN), *ROOT.glob(TOUCHED_IN_GLOB)]
    touched = {name for file in files for name in _names_in(file)}
    assert {"Builder.create_network", "IBuilderConfig.progress_monitor", "OnnxParser.get_error"} <= touched
    known = {*TENSORRT_NAMES, *RTX_NAMES}
    known |= {name.rpartition(".")[0] for name in known} | {name.partition(".")[0] for name in known}  # classes, enums
    assert {name for name in touched - known if not name.endswith(".__init__")} == set()


def _names_in(file: Path) -> set[str]:
    """`config.set_flag` is IBuilderConfig.set_flag, `trt.BuilderFlag.TF32` is BuilderFlag.TF32.

    Of the runner only engine.py holds the library's objects (`self._engine`); elsewhere `engine` is our own.
    """
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        chain = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        root, _, rest = chain.removeprefix("self._").partition(".")
        if not re.fullmatch(r"\w+(\.\w+)*", rest):
            continue
        if root == "trt":
            names.add(rest)
        elif file.parent.name == "engine" and root in CLASS_OF:
            names.add(f"{CLASS_OF[root]}.{rest}")
        elif file.name == "engine.py" and root in CLASS_OF:
            names.add(f"{'IRuntimeConfig' if root == 'config' else CLASS_OF[root]}.{rest}")
    return names


def _has(library: object, name: str) -> bool:
    for part in name.split("."):
        if not hasattr(library, part):
            return False
        library = getattr(library, part)
    return True


def _ask_bindings(package: str, folder: Path, names: tuple[str, ...]) -> tuple[str, list[str]]:
    """Return the version of the downloaded bindings, and which of `names` they lack."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheels = [*WHEELS.glob(f"{package}-*-{tag}-*.whl")]
    compiler = shutil.which("cc")
    if not wheels or compiler is None:
        pytest.skip("no C compiler" if wheels else f"no wheel of {package} for {tag} in {WHEELS.name}/; run: make test")
    with zipfile.ZipFile(max(wheels)) as wheel:
        wheel.extractall(folder)
    binary = (folder / "tensorrt_bindings" / "tensorrt.so").read_bytes()
    source = "".join(f"void *{name}(void) {{ return 0; }}\n" for name in STAND_INS)
    for library in sorted(set(re.findall(rb"libnv\w+\.so\.\d+", binary))):
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", folder / library.decode()],
            input=source, text=True, check=True,
        )  # fmt: skip
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(folder)}
    asked = subprocess.run(
        [sys.executable, "-c", ASK, *names], env=environment, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    version, missing = json.loads(asked.stdout)
    return version, missing
