"""Runs engines on the GPU, with TensorRT or TensorRT-RTX."""

import os
import re
import weakref
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segdata.errors import ContractError, EdgeSegError, InputError, MissingDependencyError
from segrun.runners.base import Frames, Inferred, Runner
from segrun.runners.contract import CONFIDENCE, LABELS, batch_of, has_confidence
from segrun.runners.ring import Ring
from segrun.runners.tensorrt.bindings import find_bindings
from segrun.runners.tensorrt.device import Device
from segrun.runners.tensorrt.driver import first_device, load_driver
from segrun.runners.tensorrt.engine import TensorRTEngine, kernels_path
from segrun.runners.tensorrt.library import TensorRT, collecting_logger, find_tensorrt, load_tensorrt
from segrun.runners.tensorrt.manifest import EngineManifest, Flavour, read_manifest, same_release
from segrun.runners.tensorrt.slot import TensorRTSlot

_ENGINE_CHOICES: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "rtx"}  # as seg-export takes them
_COMPUTES = {"fp32": "f32", "fp16": "f16", "int8": "int8/f32"}


@dataclass(frozen=True)
class Libraries:
    """The libraries that the runner needs: TensorRT and its logger, CUDA's driver, cuda.bindings.driver or None."""

    tensorrt: TensorRT
    logger: Any
    driver: Any
    bindings: Any | None


def load_libraries(tensorrt: TensorRT) -> Libraries:
    """Return `tensorrt` with the other libraries; raise MissingDependencyError as `load_driver` does."""
    return Libraries(tensorrt, collecting_logger(tensorrt), load_driver(), find_bindings())


class TensorRTRunner(Runner):
    """The runner for .engine files. Any thread may use it, one at a time; the one that opened it closes it.

    It holds `depth` frames in flight in `stream`, and all the memory for them, from the start. Between calls its CUDA
    context is not current, so that several runners can take turns. `cuda_graph` says, in words, which part of a frame
    is one launch: the inference with TensorRT-RTX, which captures by itself; the copies too with TensorRT where
    cuda-bindings is installed; else nothing.
    """

    def __init__(
        self,
        path: Path,
        depth: int = 3,
        graphs: bool = True,
        trust: bool = False,
        libraries: Libraries | None = None,
        gpu: int = 0,
    ) -> None:
        """Load the engine at `path` onto GPU number `gpu`, after comparing it with its manifest, and run it once.

        `graphs` False makes each call one by one. `trust` loads an engine of other bytes than its manifest says; the
        manifest is needed all the same, for the model's spec. Raises InputError for a depth below 1, ContractError if
        the engine does not match its manifest, this machine or the graph contract, MissingDependencyError if a library,
        the driver or the GPU is missing, EdgeSegError for what CUDA or TensorRT reports. Nothing stays on the GPU then.
        """
        if depth < 1:
            raise InputError(f"got depth {depth}, need at least 1 frame in flight")
        manifest = read_manifest(path, trust)
        library = libraries.tensorrt if libraries else _installed(manifest.flavour)
        _check_library(path, manifest, library)
        libraries = libraries or load_libraries(library)
        self._device = Device(libraries.driver, gpu)
        # A runner that nobody closes frees its GPU when it is collected, or when the program ends.
        self._unclosed = weakref.finalize(self, _abandon, self._device, os.getpid())
        try:
            _check_capability(path, manifest, self._device)
            self.name = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}[library.flavour]
            self.spec = manifest.spec
            self.precision = manifest.precision
            self.computes = _COMPUTES[manifest.precision]
            self.device = self._device.name
            self.calibration_frames = frozenset(manifest.calibration_frames)
            self.weights = manifest.weights
            with self._device.active():
                self._start(path, depth, graphs, libraries)
        except BaseException:
            with suppress(EdgeSegError):  # the first error is the one to report
                self._device.close()
            raise

    @classmethod
    def opened(
        cls, path: Path, *, trust: bool, throughput: bool, arithmetic: str | None, gpu: int = 0
    ) -> "TensorRTRunner":
        """Return the runner of an engine, whose arithmetic was settled when it was built."""
        return cls(path, trust=trust, gpu=gpu)

    @classmethod
    def platform(cls) -> str:
        """Return the library with its version, and the first GPU; raise MissingDependencyError if one is missing."""
        library = find_tensorrt()
        version = f"{library.flavour} {library.version}" if library else "no TensorRT"
        return f"{version} on {first_device().name}"

    def _start(self, path: Path, depth: int, graphs: bool, libraries: Libraries) -> None:
        engine = TensorRTEngine(libraries.tensorrt, libraries.logger, path.read_bytes(), str(path))
        self._device.on_close(engine.release)
        signature = engine.signature()
        self.batch = batch_of(self.spec, signature, str(path))
        self.has_confidence = has_confidence(signature)
        shape = (self.batch, self.spec.height, self.spec.width, 3)
        outputs = [LABELS, *([CONFIDENCE] if self.has_confidence else [])]
        engine.take_kernels(kernels_path(path))
        slots = [TensorRTSlot(self._device, engine, shape, outputs, graphs, libraries.bindings) for _ in range(depth)]
        engine.keep_kernels(kernels_path(path))
        self.in_flight = depth
        self.cuda_graph = "; ".join(sorted({slot.cuda_graph for slot in slots}))
        self._ring = Ring(slots)

    def _free(self) -> None:
        self._device.check_thread()
        self._ring.close(self._device.close)

    def _infer(self, frames: Frames) -> Inferred:
        return self._ring.call(frames)

    def _stream(self, frames: Iterable[Frames]) -> Generator[Inferred, None, None]:
        return self._ring.stream(frames)


def _abandon(device: Device, process: int) -> None:
    if os.getpid() == process:  # CUDA does not work in a forked process
        with suppress(EdgeSegError):
            device.abandon()


def _installed(flavour: Flavour) -> TensorRT:
    """Return the TensorRT that is asked for, or the other if only that is there: naming it is better than "missing"."""
    try:
        return load_tensorrt(flavour)
    except MissingDependencyError:
        other = find_tensorrt()
        if other is None:
            raise
        return other


def _check_library(path: Path, manifest: EngineManifest, library: TensorRT) -> None:
    built, here = f"{manifest.flavour} {manifest.version}", f"{library.flavour} {library.version}"
    same = manifest.flavour == library.flavour and same_release(manifest.version, library.version)
    if not same:
        rebuild = _with_option(manifest.rebuild, "--engine", _ENGINE_CHOICES[library.flavour])
        raise ContractError(
            f"{path}: built with {built}, but here is {here}; install that, or build it again with: {rebuild}"
        )


def _with_option(command: str, option: str, value: str) -> str:
    """Return the command that built an engine with what this machine needs in place of what that one was built for."""
    return re.sub(rf"{option} \S+", f"{option} {value}", command)


def _check_capability(path: Path, manifest: EngineManifest, device: Device) -> None:
    if manifest.compute_capability != device.compute_capability:
        rebuild = _with_option(manifest.rebuild, "--cc", device.compute_capability)
        raise ContractError(
            f"{path}: built for {manifest.target} (compute capability {manifest.compute_capability}), but here is "
            f"{device.name} ({device.compute_capability}); build it again with: {rebuild}"
        )
