"""Reads ONNX files: parsed once, with their contract. Foreign ones may be damaged or point at other files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from segdata.errors import ContractError, InputError
from segdata.files import sha256_of
from segdata.text import short
from segexport.graph.contract import check_contract
from segrun.runners.contract import Contract
from segrun.runners.onnx_check import check_onnx
from segrun.runners.tensorrt.manifest import EngineManifest


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file of edgeseg: where it is, the model in it and its contract."""

    path: Path
    model: onnx.ModelProto
    contract: Contract


def write_onnx(path: Path, model: onnx.ModelProto) -> OnnxFile:
    """Write `model`, which must be under the graph contract, to `path`, and return the file."""
    onnx.save(model, path)
    return OnnxFile(path, model, check_contract(model))


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file, which must be under the graph contract; nothing but this one file is read.

    Raises InputError if it cannot be read or is not an ONNX file, ContractError if it breaks the graph contract or its
    weights are in another file.
    """
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name another file") from None
    except (DecodeError, ValueError):
        raise InputError(f"{path}: not an ONNX file, or one cut short; need one written by seg-export") from None
    texts = [*(node.name for node in model.graph.node), *(entry.value for entry in model.metadata_props)]
    if any(isinstance(text, bytes) for text in texts):  # how protobuf says that it is not UTF-8
        raise InputError(f"{path}: damaged, its names are not text; export it again with seg-export")
    contract = check_contract(model, str(path))
    elsewhere = sorted({_location(tensor) for tensor in tensors_of(model.graph) if _is_elsewhere(tensor)})
    if elsewhere:
        raise ContractError(
            f"{path}: its weights are in {short(', '.join(elsewhere))}, need one file; export it again with seg-export"
        )
    check_onnx(path)
    return OnnxFile(path, model, contract)


def onnx_of(engine: Path, manifest: EngineManifest) -> Path | None:
    """Return the ONNX file that `engine` was built from, if it is still beside it with the bytes it had."""
    beside = engine.parent / Path(manifest.onnx).name
    return beside if beside.is_file() and sha256_of(beside) == manifest.onnx_sha256 else None


def tensors_of(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the constants of a graph: its initializers, and those in attributes of its nodes."""
    yield from graph.initializer
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _is_elsewhere(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL


def _location(tensor: onnx.TensorProto) -> str:
    return next((repr(entry.value) for entry in tensor.external_data if entry.key == "location"), "another file")
