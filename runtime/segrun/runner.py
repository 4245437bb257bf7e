"""What every runner promises, and which one runs a file."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import get_args

import numpy as np
import numpy.typing as npt

from segdata.errors import ContractError, InputError
from segdata.spec import CALIBRATION_KEY, PRECISION_KEY, SPEC_KEY, ModelSpec, Precision
from segrun.options import Engine

Frames = npt.NDArray[np.uint8]
"""RGB, uint8 [N, H, W, 3]."""

Labels = npt.NDArray[np.uint8]
"""Class ids, uint8 [N, H, W]."""


class Runner(ABC):
    """Runs one artefact. Use it as a context manager; after the block it is closed.

    `spec` is the artefact's ModelSpec, `precision` what its graph says it computes in, `computes` what the runner
    computes the float part of it in here, `calibration_frames` the `frame_id` of each frame that calibrated its INT8,
    `device` what it runs on, in words, `batch` how many frames it takes.
    """

    name: str
    spec: ModelSpec
    precision: str
    computes: str
    device: str
    batch: int
    calibration_frames: frozenset[str]

    def __call__(self, frames: Frames) -> Labels:
        """Return the labels of `frames`; the result belongs to the caller.

        Raises ContractError if `frames` are not uint8 of the artefact's shape.
        """
        wanted = (self.batch, self.spec.height, self.spec.width, 3)
        if frames.shape != wanted or frames.dtype != np.uint8:
            raise ContractError(f"got frames {frames.dtype} {list(frames.shape)}, need uint8 {list(wanted)}, RGB")
        return self._infer(frames)

    def stream(self, frames: Iterable[Frames]) -> Iterator[Labels]:
        """Yield the labels of each item of `frames`, in the same order."""
        for item in frames:
            yield self(item)

    def __enter__(self) -> "Runner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Free what the runner holds."""

    @abstractmethod
    def _infer(self, frames: Frames) -> Labels:
        """Run checked frames."""

    def _take_contract(self, path: Path, metadata: dict[str, str], inputs: list[str], outputs: list[str]) -> None:
        """Set spec, precision and batch from an ONNX file's metadata, and hold its signature against the contract.

        `inputs` and `outputs` are described as `name type [shape]`, type and shape as `uint8 [1, 128, 128]`.
        """
        if SPEC_KEY not in metadata or PRECISION_KEY not in metadata:
            raise ContractError(f"{path}: an ONNX file without edgeseg's model spec; need one written by seg-export")
        self.spec = ModelSpec.from_json(metadata[SPEC_KEY], origin=str(path))
        self.precision = metadata[PRECISION_KEY]
        if self.precision not in get_args(Precision):
            raise ContractError(f"{path}: its precision is {self.precision!r}, need {', '.join(get_args(Precision))}")
        self.calibration_frames = frozenset(filter(None, metadata.get(CALIBRATION_KEY, "").split(",")))
        frame = [self.spec.height, self.spec.width]
        signature = [*inputs, *outputs]
        self.batch = _batch_of(signature)
        wanted = [f"frames uint8 {[self.batch, *frame, 3]}", f"labels uint8 {[self.batch, *frame]}"]
        if signature != wanted:
            raise ContractError(
                f"{path} breaks the graph contract: got {', '.join(signature)}, need {', '.join(wanted)}"
            )


def _batch_of(signature: list[str]) -> int:
    head = signature[0].partition("[")[2].partition(",")[0] if signature else ""
    return int(head) if head.isdigit() and int(head) > 0 else 1


def open_runner(path: Path, engine: Engine = "auto") -> Runner:
    """Return the runner for an artefact: .onnx by OpenVINO on the CPU ("auto"), or by ONNX Runtime.

    Raises InputError if there is no such file or no runner for its suffix, ContractError if the file breaks the graph
    contract or does not match its manifest.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; need an artefact written by seg-export")
    if path.suffix == ".engine":
        from segrun.manifest import read_manifest

        manifest = read_manifest(path)
        raise InputError(
            f"{path}: a sound {manifest.flavour} {manifest.version} engine for {manifest.target}; this version of "
            f"edgeseg builds engines but does not run them yet: run {manifest.onnx} instead"
        )
    if path.suffix != ".onnx":
        raise InputError(f"{path}: got a {path.suffix or 'file without suffix'}, need .onnx or .engine from seg-export")
    if engine == "onnxruntime":
        from segrun.onnxruntime_runner import OnnxRuntimeRunner

        return OnnxRuntimeRunner(path)
    from segrun.openvino_runner import OpenVINORunner

    return OpenVINORunner(path)
