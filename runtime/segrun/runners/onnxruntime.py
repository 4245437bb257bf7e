"""Runs ONNX artefacts on the CPU with ONNX Runtime: float32 stays float32, which makes it the reference."""

import platform
from pathlib import Path

import numpy as np
import onnxruntime

from segdata.cores import usable_cores
from segdata.errors import ContractError, InputError
from segdata.text import short
from segrun.runners.base import Frames, Inferred, Runner
from segrun.runners.contract import FRAMES, contract_of
from segrun.runners.onnx_check import check_onnx


class OnnxRuntimeRunner(Runner):
    """The portable runner: slower than OpenVINO, and never less exact than the artefact."""

    name = "ONNX Runtime"

    def __init__(self, path: Path) -> None:
        """Load `path`; raise InputError if it is not an ONNX file, ContractError if it breaks the graph contract."""
        check_onnx(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        options.log_severity_level = 3  # errors only: its warnings are about its own optimisations
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        except Exception as error:
            raise InputError(f"{path}: ONNX Runtime cannot read it ({_reason(error)}); export it again") from None
        self._path = path
        signature = _signature([*self._session.get_inputs(), *self._session.get_outputs()])
        self._take(contract_of(metadata, signature, str(path)))
        self.computes = "int8/f32" if self.precision == "int8" else "f32"  # ONNX Runtime widens float16 on a CPU
        self.device = "CPU"

    @classmethod
    def opened(
        cls, path: Path, *, trust: bool, throughput: bool, arithmetic: str | None, gpu: int = 0
    ) -> "OnnxRuntimeRunner":
        """Return the runner of an ONNX file."""
        return cls(path)

    @classmethod
    def arithmetics(cls) -> tuple[str, ...]:
        """Return float32: ONNX Runtime widens float16 on a CPU."""
        return ("f32",)

    @classmethod
    def platform(cls) -> str:
        """Return the library with its version, and the processor's kind."""
        return f"{cls.name} {onnxruntime.__version__} on {platform.processor() or platform.machine()}"

    def _free(self) -> None:
        del self._session

    def _infer(self, frames: Frames) -> Inferred:
        try:
            found = self._session.run(None, {FRAMES: frames})
        except Exception as error:
            raise ContractError(
                f"{self._path}: ONNX Runtime cannot run it ({_reason(error)}); export it again"
            ) from None
        return Inferred(*(np.asarray(output, dtype=np.uint8) for output in found))


def _signature(arguments: list[onnxruntime.NodeArg]) -> list[str]:
    return [f"{argument.name} {_type(argument)} {_shape(argument)}" for argument in arguments]


def _type(argument: onnxruntime.NodeArg) -> str:
    return str(argument.type).removeprefix("tensor(").removesuffix(")")


def _shape(argument: onnxruntime.NodeArg) -> list[int]:
    return [size if isinstance(size, int) else -1 for size in argument.shape]


def _reason(error: Exception) -> str:
    return short((str(error).strip().splitlines() or [type(error).__name__])[0])
