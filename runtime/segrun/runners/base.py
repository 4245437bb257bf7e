"""The interface of every runner."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segdata.errors import ContractError, EdgeSegError
from segdata.spec import ModelSpec
from segrun.runners.contract import Contract

Frames = npt.NDArray[np.uint8]
"""RGB, uint8 [N, H, W, 3]."""

Labels = npt.NDArray[np.uint8]
"""Class ids, uint8 [N, H, W]."""

Confidence = npt.NDArray[np.uint8]
"""255 times the probability of each label, uint8 [N, H, W]."""


class Inferred(NamedTuple):
    """A network's output for frames; `confidence` is None where the artefact gives none."""

    labels: Labels
    confidence: Confidence | None = None


class Runner(ABC):
    """Runs one artefact. Use it as a context manager; after the block it is closed.

    `spec` is the artefact's ModelSpec, `precision` what its graph says it computes in, `computes` what the runner
    computes the float part of it in here, `calibration_frames` the `frame_id` of each frame that calibrated its INT8,
    `weights` the SHA-256 of the checkpoint it was exported from ("" in artefacts of edgeseg 0.1), `device` what it runs
    on, in words, `batch` how many frames it takes. `chosen` gives the measurement if this was the fastest of several
    ways, "" if there was only one. `has_confidence` says whether the artefact gives a confidence. `in_flight` is
    how many calls of several threads it works on at once.
    """

    name: str
    spec: ModelSpec
    precision: str
    computes: str
    device: str
    batch: int
    calibration_frames: frozenset[str]
    weights = ""
    chosen = ""
    has_confidence = False
    in_flight = 1
    _closed = False

    @classmethod
    def opened(cls, path: Path, *, trust: bool, throughput: bool, arithmetic: str | None, gpu: int = 0) -> "Runner":
        """Return the runner of an artefact; see `segrun.runners.open.open_runner`, whose options these are.

        `arithmetic` is one of `arithmetics`, None where it has none, `gpu` the number of the GPU of what runs on one.
        """
        raise NotImplementedError

    @classmethod
    def arithmetics(cls) -> tuple[str, ...]:
        """Return what the float part of a network can be computed in here; empty if that is fixed in the artefact."""
        return ()

    @classmethod
    def platform(cls) -> str:
        """Return what runs the network here, processor or GPU and library with its version, in words.

        Raises MissingDependencyError if the library, the driver or the GPU is missing.
        """
        raise NotImplementedError

    def __call__(self, frames: Frames) -> Labels:
        """Return the labels of `frames`; the result belongs to the caller.

        Raises ContractError if `frames` are not uint8 of the artefact's shape or labels of another shape or class,
        EdgeSegError if the runner is closed.
        """
        return self.infer(frames).labels

    def infer(self, frames: Frames) -> Inferred:
        """Return the labels of `frames`, as a call does, with their confidence where the artefact gives one."""
        return self._known(self._infer(self._checked(frames)))

    def stream(self, frames: Iterable[Frames]) -> Generator[Labels, None, None]:
        """Return the labels of each item of `frames`, one after the other, in the same order.

        A runner may take several items before it gives the first labels: for a live source, call it frame by frame.
        An item may be changed once the next is requested; each result belongs to the caller. An exception of `frames`
        is raised here, after the device is done with the items before it.
        """
        return _labels_of(self.infer_stream(frames))

    def infer_stream(self, frames: Iterable[Frames]) -> Generator[Inferred, None, None]:
        """Return what `stream` does, with the confidence where the artefact gives one."""
        self._check_open()
        return self._known_of(self._stream(self._checked(item) for item in frames))

    def close(self) -> None:
        """Free what the runner holds. A runner may be closed twice; it cannot be used again."""
        if not self._closed:
            self._free()
            self._closed = True

    def __enter__(self) -> "Runner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _free(self) -> None:
        """Free what the runner holds; called until it raises nothing."""

    @abstractmethod
    def _infer(self, frames: Frames) -> Inferred:
        """Run checked frames."""

    def _stream(self, frames: Iterable[Frames]) -> Generator[Inferred, None, None]:
        """Run checked frames, one after the other unless the runner can do better."""
        for item in frames:
            yield self._infer(item)

    def _checked(self, frames: Frames) -> Frames:
        self._check_open()
        wanted = (self.batch, self.spec.height, self.spec.width, 3)
        if frames.shape != wanted or frames.dtype != np.uint8:
            raise ContractError(f"got frames {frames.dtype} {list(frames.shape)}, need uint8 {list(wanted)}, RGB")
        return frames

    def _known_of(self, stream: Generator[Inferred, None, None]) -> Generator[Inferred, None, None]:
        with closing(stream):  # the device is done with its frames then
            for found in stream:
                yield self._known(found)

    def _known(self, found: Inferred) -> Inferred:
        """Return `found`; raise ContractError for labels of another shape, or ids without a class."""
        labels = found.labels
        wanted = (self.batch, self.spec.height, self.spec.width)
        if labels.shape != wanted:
            raise ContractError(
                f"got labels {list(labels.shape)} from the network, need {list(wanted)}; export it again"
            )
        if labels.max(initial=0) >= self.spec.class_count:
            raise ContractError(
                f"got class {labels.max()} from the network, its spec has {self.spec.class_count}; export it again"
            )
        return found

    def _check_open(self) -> None:
        if self._closed:
            raise EdgeSegError(f"this {self.name} runner is closed; open the artefact again")

    def _take(self, contract: Contract) -> None:
        """Set the attributes of a runner of an ONNX file with this contract."""
        self.spec = contract.spec
        self.precision = contract.precision
        self.batch = contract.batch
        self.calibration_frames = frozenset(contract.calibration_frames)
        self.weights = contract.weights
        self.has_confidence = contract.confidence


def _labels_of(stream: Generator[Inferred, None, None]) -> Generator[Labels, None, None]:
    with closing(stream):
        for found in stream:
            yield found.labels
