"""A Triton Inference Server model repository of one artefact."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from segdata.errors import ContractError, InputError
from segdata.files import replacing
from segexport.graph.onnx_file import onnx_of, read_onnx
from segrun.runners.contract import CONFIDENCE, FRAMES, LABELS, Contract
from segrun.runners.tensorrt.manifest import read_manifest

_LABEL_FILE = "labels.txt"
_CONFIG_FILE = "config.pbtxt"
_CONFIDENCE_OUTPUT = """,
  {{
    name: "{name}"
    data_type: TYPE_UINT8
    dims: {dims}
  }}"""


@dataclass(frozen=True)
class _Served:
    """What Triton needs to know: `platform`, the name `model_file` must have, and a `note` for the reader."""

    platform: str
    model_file: str
    contract: Contract
    note: str


def write_repository(artefact: Path, folder: Path) -> Path:
    """Write FOLDER/NAME with config.pbtxt, labels.txt and 1/model.onnx or 1/model.plan, and return it.

    NAME is the name of `artefact` without suffix, its dots replaced by underscores. Triton takes frames uint8
    [N, H, W, 3] and gives labels uint8 [N, H, W] and, where the artefact has it, their confidence, in the batch of the
    artefact: it forms no batches itself. Raises InputError if Triton does not run the artefact or the folder cannot
    be written, ContractError if the artefact is not edgeseg's or an engine does not fit its manifest.
    """
    served = _served(artefact)
    name = artefact.stem.replace(".", "_")
    target = folder / name
    if target.exists() and not (target / _CONFIG_FILE).is_file():
        raise InputError(f"{target}: is there already and is not a Triton model; choose another folder")
    with replacing(target) as temporary:
        version = temporary / "1"
        version.mkdir(parents=True)
        shutil.copyfile(artefact, version / served.model_file)
        (temporary / _LABEL_FILE).write_text(
            "".join(f"{name}\n" for name in served.contract.spec.class_names), encoding="utf-8"
        )
        (temporary / _CONFIG_FILE).write_text(_config(name, served), encoding="utf-8")
    return target


def _served(artefact: Path) -> _Served:
    if not artefact.is_file():
        raise InputError(f"{artefact}: no such file; need an .onnx or .engine file from seg-export")
    if artefact.suffix == ".onnx":
        return _Served("onnxruntime_onnx", "model.onnx", read_onnx(artefact).contract, note="ONNX Runtime runs it.")
    if artefact.suffix != ".engine":
        found = artefact.suffix or "file without suffix"
        raise InputError(f"{artefact}: got a {found}, need an .onnx or .engine file from seg-export")
    manifest = read_manifest(artefact)
    if manifest.flavour != "tensorrt":
        raise InputError(
            f"{artefact}: an engine of TensorRT-RTX; Triton runs only those of TensorRT; give {manifest.onnx}, or "
            "build with --engine tensorrt"
        )
    onnx_file = onnx_of(artefact, manifest)
    if onnx_file is None:
        raise ContractError(
            f"{artefact}: {manifest.onnx}, which says how many frames it takes, is not beside it as it was; "
            f"build it again with: {manifest.rebuild}"
        )
    note = (
        f"Needs the TensorRT that built it, {manifest.version}, and compute capability {manifest.compute_capability}."
    )
    return _Served("tensorrt_plan", "model.plan", read_onnx(onnx_file).contract, note=" ".join(note.split()))


def _config(name: str, served: _Served) -> str:
    # max_batch_size 0: the first of `dims` is the batch, and Triton leaves it as it is.
    contract = served.contract
    labels = [contract.batch, contract.spec.height, contract.spec.width]
    confidence = _CONFIDENCE_OUTPUT.format(name=CONFIDENCE, dims=labels) if contract.confidence else ""
    return f"""\
# {served.note}
name: {json.dumps(name, ensure_ascii=False)}
platform: "{served.platform}"
max_batch_size: 0
input [
  {{
    name: "{FRAMES}"
    data_type: TYPE_UINT8
    dims: {[*labels, 3]}
  }}
]
output [
  {{
    name: "{LABELS}"
    data_type: TYPE_UINT8
    dims: {labels}
    label_filename: "{_LABEL_FILE}"
  }}{confidence}
]
"""
