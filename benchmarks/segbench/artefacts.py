"""Finds the artefacts to benchmark, and makes those that are not there."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

from segdata.command_line.fixable import missing_dependency
from segdata.command_line.progress import SILENT, Progress
from segdata.dataset.dataset import DATASET_FILE, Dataset, sized_folder
from segdata.errors import InputError
from segdata.images.size import Size
from segdata.shipped import DEFAULT_ONNX, SHIPPED_SIZES, model_files, shipped_checkpoint, shipped_onnx
from segdata.spec import Precision
from segexport.options import EngineOptions, export_name
from segrun.runners.tensorrt.library import TensorRT

_PRECISIONS: tuple[str, ...] = get_args(Precision)


def artefacts_of(
    named: Sequence[Path],
    all_precisions: bool,
    folder: Path,
    data: Path | None = None,
    progress: Progress = SILENT,
) -> list[Path]:
    """Return the artefacts to measure.

    Without a name they are the shipped models of the sizes that `data` has, all of them without it, in every precision
    if the export extra is here to make them in `folder`, else as they are shipped. A checkpoint stands for its exports
    in every precision, the name of a shipped model for its files, and with `all_precisions` an ONNX file for those of
    its siblings (NAME.fp32.onnx, NAME.fp16.onnx, NAME.int8.onnx) that are there. The dataset `data` calibrates a
    checkpoint that has no activation ranges beside it. Raises InputError if there is no such file, or if a checkpoint
    cannot be exported.
    """
    if not named:
        sizes_here = [size for size in SHIPPED_SIZES if data is None or _has_size(data, size)]
        if _can_export():
            named = [shipped_checkpoint(size) for size in sizes_here]
        else:
            named = [path for size in sizes_here for path in shipped_onnx(size)]
        if not named:
            sizes = ", ".join(map(str, SHIPPED_SIZES))
            raise InputError(f"{data}: has none of the sizes of the shipped models ({sizes}); name your artefacts")
    named = list(dict.fromkeys(path for word in named for path in model_files(word)))
    checkpoints = [path for path in named if path.suffix == ".safetensors"]
    for path in checkpoints:
        if not _has_ranges(path) and data is None:
            raise InputError(f"{path}: int8 needs frames to calibrate on; give --data DATASET")
    if checkpoints:
        progress.start(len(checkpoints))
    found: dict[Path, None] = {}
    for path in named:
        if path.suffix == ".safetensors":
            # A folder each: checkpoints of several trainings have one name.
            found.update(dict.fromkeys(_exported(path, folder / str(len(found)), data)))
            progress.advance()
        else:
            found.update(dict.fromkeys(_meant(path, all_precisions)))
    return list(found)


def models_by_precision(path: Path, folder: Path) -> dict[Precision, Path]:
    """Write the ONNX files of one network into `folder`, and return them by precision: `path` and its siblings, or all
    precisions of a shipped model whose weights are here.

    Copies, so that what is built beside them replaces nothing. Raises MissingDependencyError without the export extra.
    """
    try:
        from segexport.graph.onnx_file import read_onnx
    except ImportError as error:
        raise missing_dependency(error) from None
    weights = path.with_name(f"{path.name.partition('.')[0]}.safetensors")
    shipped = path.parent == DEFAULT_ONNX[0].parent and weights.is_file()
    files = artefacts_of([weights if shipped else path], True, folder)
    found = {read_onnx(file).contract.precision: file for file in files}
    return found if shipped else {each: Path(shutil.copy(file, folder)) for each, file in found.items()}


def build(library: TensorRT, model: Path, compute_capability: str, on_progress: Callable[[], None]) -> Path:
    """Build the engine of an ONNX file beside it, with its build log, and return it.

    What `on_progress` raises at any step ends the build. Raises EdgeSegError for what TensorRT cannot build.
    """
    from segexport.engine.settings import choose_target
    from segexport.engine.to_engine import Provenance, build_engine
    from segexport.graph.onnx_file import read_onnx

    target = choose_target(library, compute_capability)
    options, provenance = EngineOptions(build_log=True), Provenance("seg-export")
    return build_engine(library, read_onnx(model), target, options, provenance, lambda *_: on_progress())


def _has_size(data: Path, size: int) -> bool:
    wanted = Size(size, size)
    try:
        folder = sized_folder(data, wanted)
    except InputError:  # it has others
        return False
    return (folder / DATASET_FILE).is_file() and Dataset(folder).facts.size == wanted


def _meant(path: Path, all_precisions: bool) -> Iterator[Path]:
    stem, _, precision = path.stem.rpartition(".")
    if not (all_precisions and path.suffix == ".onnx" and precision in _PRECISIONS):
        yield path
        return
    siblings = [path.with_name(f"{stem}.{other}.onnx") for other in _PRECISIONS]
    yield from (sibling for sibling in siblings if sibling.is_file() or sibling == path)


def _can_export() -> bool:
    """Return whether the export extra is installed; its libraries stay out of this process, which measures."""
    code = "import onnx, onnxruntime, onnxscript, torch"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def _has_ranges(checkpoint: Path) -> bool:
    return checkpoint.with_name(f"{export_name(checkpoint)}.calibration.json").is_file()


def _exported(checkpoint: Path, folder: Path, data: Path | None) -> list[Path]:
    code = "from segexport.cli import main; main()"
    command = [sys.executable, "-c", code, str(checkpoint), "--all", "--engine", "none", "-o", str(folder)]
    if not _has_ranges(checkpoint) and data is not None:
        command += ["--calibration", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise InputError(f"{checkpoint}: seg-export failed ({said[0].removeprefix('Error: ')})")
    return [folder / f"{export_name(checkpoint)}.{precision}.onnx" for precision in _PRECISIONS]
