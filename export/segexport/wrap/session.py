"""ONNX Runtime on a network from elsewhere: run as it is written, and folded by its rewrites."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime

from segdata.errors import InputError
from segdata.text import short


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Return an ONNX Runtime session that computes `model` as it is written; raises what ONNX Runtime does."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def reason(error: Exception) -> str:
    """Return the first line of an error that ONNX or ONNX Runtime raised, short."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return short(lines[0]) if lines else type(error).__name__


def folded(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with constants and batch norm folded, by ONNX Runtime's rewrites that use only ONNX operators."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(target)
        try:
            onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            found = onnx.load(target)
        except Exception as error:
            raise InputError(f"{path}: ONNX Runtime cannot take it ({reason(error)}); try another --size") from None
    if any(node.domain not in ("", "ai.onnx") for node in found.graph.node):
        found = model
    own = [entry for entry in found.opset_import if entry.domain in ("", "ai.onnx")]
    del found.opset_import[:]
    found.opset_import.extend(own[:1])
    return found
