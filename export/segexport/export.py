"""A checkpoint -> proved ONNX files in the requested precisions, and their engines.

Every precision goes through the same steps, in a hidden folder: written, proved, built, proved on the GPU. Only then
are its files moved into place.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import onnx

from segdata.command_line.progress import Progress
from segdata.errors import EdgeSegError, InputError
from segdata.files import move_onto, staging
from segdata.metrics import known
from segdata.spec import Precision
from segexport.engine.build_progress import build_progress
from segexport.engine.builder import Builder, builder_of, prove_engine, rebuild_command
from segexport.engine.to_engine import Provenance, build_engine, engine_path, log_path
from segexport.graph.confidence import with_confidence
from segexport.graph.cost import cost_of_onnx
from segexport.graph.onnx_file import OnnxFile, read_onnx, write_onnx
from segexport.options import ExportOptions
from segexport.quantise.int8 import Int8Model, make_int8
from segexport.source import Source, read_source, with_named_precision
from segexport.triton import write_repository
from segexport.verify import Agreement, Proof, proof_of, verify
from segrun.runners.tensorrt.manifest import Verification, manifest_path


@dataclass(frozen=True)
class Exported:
    """One precision: its ONNX file, how it compares with float32 PyTorch, its engine if one was built.

    `layers` is how many of the convolutions are INT8, as `14 of 15`, and `int8_share` their share of the
    multiply-accumulates, 0 to 1. `verified_on` is what ran the engine, as its manifest says it, None without one.
    """

    precision: Precision
    onnx: Path
    agreement: Agreement
    layers: str
    int8_share: float
    engine: Path | None
    verified_on: str | None
    seconds: float


@dataclass(frozen=True)
class ExportReport:
    """Everything that one export made: `name` is that of its files, `proof` says which frames it was verified on,
    `builder` what built the engines.
    """

    name: str
    exported: list[Exported]
    proof: str
    builder: str
    int8: Int8Model | None


def export(options: ExportOptions, progress: Progress) -> ExportReport:
    """Export the checkpoint in each precision; write nothing that was not verified first.

    `progress` is started again for each part of the work. Raises EdgeSegError and its children, in one line, for
    anything that cannot be read, calibrated, built or proved.
    """
    options = with_named_precision(options)
    for folder in filter(None, (options.output, options.triton)):
        if folder.is_file():
            raise InputError(f"{folder}: a file, need a folder to write to; name another")
    source = read_source(options)
    precisions: tuple[Precision, ...] = options.precisions or get_args(Precision)
    for precision in precisions:
        _check_not_of_others(options.output / _file_name(source, precision), source, options)
    builder = builder_of(options)
    float_model = source.model("fp32", options.batch)
    int8 = make_int8(source, float_model, options, progress) if "int8" in precisions else None
    proof = proof_of(source.reference(), source.spec, source.dataset, progress)
    job = _Job(options, progress, source, builder, proof, int8)
    models = {"fp32": float_model, "int8": int8.model if int8 else None}
    sure = options.confidence or source.has_confidence
    exported = []
    for precision in precisions:
        model = models.get(precision) or source.model(precision, options.batch)
        exported.append(job.run(precision, with_confidence(model) if sure else model))
    return ExportReport(source.name, exported, proof.description, _told(builder, options, exported), int8)


@dataclass(frozen=True)
class _Job:
    """What all precisions of one export share, and the steps that each goes through."""

    options: ExportOptions
    progress: Progress
    source: Source
    builder: Builder | None
    proof: Proof
    int8: Int8Model | None

    def run(self, precision: Precision, model: onnx.ModelProto) -> Exported:
        """Take one precision from its model to its files."""
        start = time.perf_counter()
        with staging(self.options.output) as folder:
            draft = write_onnx(folder / _file_name(self.source, precision), model)
            agreement = self._proved(draft)
            engine = self._built(draft, agreement) if self.builder else None
            verified_on = prove_engine(engine, self.proof, self.progress, self.options.verify) if engine else None
            onnx_file, engine = self._published(draft.path, engine)
        if self.options.triton is not None:
            write_repository(self._served(onnx_file, engine), self.options.triton)
        cost = cost_of_onnx(model)
        return Exported(
            precision,
            onnx_file,
            agreement,
            f"{sum(layer.precision == 'int8' for layer in cost.layers)} of {len(cost.layers)}",
            cost.int8_share,
            engine,
            verified_on,
            time.perf_counter() - start,
        )

    def _proved(self, draft: OnnxFile) -> Agreement:
        """Compare the ONNX file with the float32 model."""
        budgeted = draft.contract.precision == "int8" and self.int8 is not None and self.int8.mixture is not None
        max_drop = self.options.max_drop / 100 if budgeted and self.options.max_drop is not None else None
        return verify(draft.path, draft.contract.precision, self.proof, self.progress, max_drop, self.options.verify)

    def _built(self, draft: OnnxFile, agreement: Agreement) -> Path:
        """Build the engine of the ONNX file beside it, with the proof in its manifest."""
        assert self.builder is not None
        precision, building = draft.contract.precision, self.options.building
        verification = Verification(
            frames=self.proof.description,
            frames_sha256=self.proof.frames_sha256,
            runners="ONNX Runtime, OpenVINO",
            equal_pixels=agreement.equal_pixels,
            miou=known(agreement.miou),
            miou_change=known(agreement.miou_change),
            enforced=self.options.verify,
        )
        calibration = self.int8.ranges.frames_sha256 if self.int8 and precision == "int8" else None
        rebuild = rebuild_command(self.options, self.source.file, precision, self.builder.library)
        return build_engine(
            self.builder.library,
            draft,
            self.builder.target,
            building,
            Provenance(rebuild, calibration, verification),
            build_progress(self.progress, f"{precision} engine"),
            # The log of a failed build is the one that people read.
            log_path(engine_path(self.options.output / draft.path.name, self.builder.target)),
        )

    def _published(self, onnx_file: Path, engine: Path | None) -> tuple[Path, Path | None]:
        """Move the proved files to their places and return them; the manifest, which names the others, comes last."""
        files = [onnx_file, *([engine, manifest_path(engine)] if engine else [])]
        for file in files:
            move_onto(self.options.output / file.name, file)
        return self.options.output / onnx_file.name, self.options.output / engine.name if engine else None

    def _served(self, onnx_file: Path, engine: Path | None) -> Path:
        """Return the artefact for Triton, which runs engines of TensorRT but not of TensorRT-RTX."""
        loadable = self.builder is not None and self.builder.library.flavour == "tensorrt"
        return engine if engine and loadable else onnx_file


def _file_name(source: Source, precision: Precision) -> str:
    return f"{source.name}.{precision}.onnx"


def _check_not_of_others(path: Path, source: Source, options: ExportOptions) -> None:
    """Raise InputError if `path` is an artefact of other weights, which would be lost."""
    if options.overwrite or not path.is_file():
        return
    try:
        weights = read_onnx(path).contract.weights
    except EdgeSegError:
        weights = ""  # damaged, or not one of ours: its owner may still need it
    if weights != source.weights:
        raise InputError(
            f"{path} is not an export of {source.file}; name another folder with -o, or replace it with --overwrite"
        )


def _told(builder: Builder | None, options: ExportOptions, exported: list[Exported]) -> str:
    if options.engine == "none":
        return "no engine built, as --engine none has it"
    if builder is None:
        return "no engine built: pip install 'edgeseg[rtx]' builds them without a GPU"
    ran = "; ".join(sorted({row.verified_on for row in exported if row.verified_on}))
    library, target = builder.library, builder.target
    return f"engines built by {library.flavour} {library.version} for {target.description}; verified on: {ran}"
