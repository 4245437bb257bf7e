"""A hook of MkDocs: puts the shipped models, a painted street and ONNX Runtime Web beside the page docs/try/."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import cv2
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from segdata.shipped import DEFAULT_ONNX, MODELS, model_files
from segdata.synth import scene
from segrun.runners.openvino import OpenVINORunner


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that the page loads, so that all come from this site."""
    runtime = _runtime()
    there = runtime.FOLDER.is_dir()
    for name in runtime.FILES if there else ():
        files.append(File.generated(config, f"try/runtime/{name}", abs_src_path=str(runtime.FOLDER / name)))
    models = []
    for name in MODELS:
        for path in reversed(model_files(Path(name))):
            with OpenVINORunner(path) as runner:
                spec = runner.spec
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


def _runtime() -> Any:  # noqa: ANN401 - the module beside this one; MkDocs loads hooks from no package
    place = importlib.util.spec_from_file_location("onnxruntime_web", Path(__file__).with_name("onnxruntime_web.py"))
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module
