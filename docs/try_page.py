"""A hook of MkDocs: puts the shipped models, a painted street and ONNX Runtime Web beside the page docs/try/."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import cv2
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from segdata.shipped import DEFAULT_ONNX, SHIPPED_SIZES, shipped_checkpoint, shipped_onnx
from segdata.spec import ModelSpec
from segdata.synth import scene


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the page loads: all of it from this site."""
    runtime = _runtime()
    there = runtime.FOLDER.is_dir()
    for name in runtime.FILES if there else ():
        files.append(File.generated(config, f"try/runtime/{name}", abs_src_path=str(runtime.FOLDER / name)))
    models = []
    for size in SHIPPED_SIZES:
        spec = _spec(shipped_checkpoint(size))
        for path in reversed(shipped_onnx(size)):
            files.append(File.generated(config, f"try/models/{path.name}", abs_src_path=str(path)))
            models.append(
                {
                    "name": path.name.removesuffix(".onnx").replace(".", " "),
                    "file": f"models/{path.name}",
                    "megabytes": round(path.stat().st_size / 1e6, 1),
                    "height": spec.height,
                    "width": spec.width,
                    "classes": spec.class_names,
                    "colours": spec.colours,
                    "chosen": path == DEFAULT_ONNX[1],
                }
            )
    site = json.dumps({"runtime": runtime.VERSION if there else None, "models": models})
    files.append(File.generated(config, "try/models.json", content=site))
    street = cv2.imencode(".png", cv2.cvtColor(scene(7, 360, 640).image, cv2.COLOR_RGB2BGR))[1].tobytes()
    files.append(File.generated(config, "try/street.png", content=street))
    return files


def _spec(checkpoint: Path) -> ModelSpec:
    """Return the spec in the header of a safetensors file: eight bytes of its length, then JSON."""
    with checkpoint.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return ModelSpec.from_json(header["__metadata__"]["edgeseg.spec"], checkpoint.name)


def _runtime() -> Any:  # noqa: ANN401 - the module beside this one; MkDocs loads hooks from no package
    place = importlib.util.spec_from_file_location("onnxruntime_web", Path(__file__).with_name("onnxruntime_web.py"))
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module
