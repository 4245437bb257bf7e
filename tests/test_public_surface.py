"""What users import: `from segrun import Segmenter`."""

import subprocess
import sys
from importlib import import_module
from importlib.metadata import version

import pytest

SURFACE = {
    "segdata": {"Dataset", "EdgeSegError", "LabelSpace", "ModelSpec", "accuracy", "confusion_matrix", "read_labels"},
    "segtrain": {"TrainOptions", "UNet", "load_checkpoint", "save_checkpoint"},
    "segexport": {"EngineOptions", "ExportOptions", "inspect_file", "to_onnx"},
    "segrun": {"RunOptions", "Runner", "Segmented", "SegmentedImage", "Segmenter", "open_runner"},
    "segbench": {"BenchOptions", "BenchReport", "read_report"},
}


@pytest.mark.parametrize("package", SURFACE)
def test_a_package_exports_what_is_promised_and_nothing_else(package: str) -> None:
    module = import_module(package)
    assert set(module.__all__) == SURFACE[package] | {"__version__"}
    assert module.__version__ == version("edgeseg")
    for name in SURFACE[package]:
        found = getattr(module, name)
        assert found.__module__.startswith(f"{package}."), name
        assert found.__doc__, name


@pytest.mark.parametrize("package", SURFACE)
def test_another_name_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = import_module(package).nothing


@pytest.mark.parametrize("package", SURFACE)
def test_importing_a_package_loads_no_heavy_library(package: str) -> None:
    heavy = "{'torch', 'onnx', 'openvino', 'onnxruntime', 'av', 'cv2', 'matplotlib', 'pydantic'}"
    code = f"import sys, {package}; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
