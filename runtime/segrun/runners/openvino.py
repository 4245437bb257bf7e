"""Runs ONNX artefacts on the CPU with OpenVINO, in the precision that OpenVINO finds fastest there."""

import sys
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from segdata.errors import ContractError, InputError
from segdata.text import short
from segrun.runners.base import Frames, Labels, Runner
from segrun.runners.contract import contract_of
from segrun.runners.onnx_check import check_onnx
from segrun.runners.ring import Ring

# At import OpenVINO reports to its makers over the network, and keeps an identifier in the home folder, unless the
# module for that is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # Python's way to say so

import openvino as ov  # noqa: E402
from openvino import opset13 as operators  # noqa: E402
from openvino.frontend import FrontEndManager  # noqa: E402

_LATENCY = {"PERFORMANCE_HINT": "LATENCY"}


class OpenVINORunner(Runner):
    """The default runner on a machine without a GPU. Reads the ONNX file as it is.

    OpenVINO computes in bfloat16 where the CPU is faster so, whatever the artefact's precision; `computes` says which.
    """

    name = "OpenVINO"

    def __init__(self, path: Path, float_precision: str | None = None, throughput: bool = False) -> None:
        """Load `path`; raise InputError if it is no ONNX file, ContractError if it breaks the graph contract.

        `float_precision` ("f32", "bf16") pins what floats are computed in; None leaves it to OpenVINO. `throughput` is
        for files: `stream` then keeps as many frames in flight as OpenVINO finds best here, each on a part of the
        cores. Without it, for live sources, one frame at a time has all of them.
        """
        check_onnx(path)
        # Only the ONNX reader is asked: the others print what they think of a file that is not theirs.
        try:
            frontend = FrontEndManager().load_by_framework("onnx")
            model = frontend.convert(frontend.load(str(path)))
            metadata, signature = _metadata(model), _signature([*model.inputs, *model.outputs])
        except Exception as error:
            raise InputError(f"{path}: OpenVINO cannot read it as ONNX ({_reason(error)}); export it again") from None
        self._take(contract_of(metadata, signature, str(path)))
        _keep_scales_of_concats(model)
        core = ov.Core()
        # Beside a decoder and an encoder, threads that are bound to a core wait for it while another is free.
        hint = {"PERFORMANCE_HINT": "THROUGHPUT", "ENABLE_CPU_PINNING": False} if throughput else _LATENCY
        pinned = {"INFERENCE_PRECISION_HINT": float_precision} if float_precision else {}
        try:
            compiled = core.compile_model(model, "CPU", {**hint, **pinned})
            # Two for latency: while one runs on all cores, another thread's frame is copied and waits its turn.
            in_flight = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") if throughput else 2
            requests = [compiled.create_infer_request() for _ in range(in_flight)]
        except RuntimeError as error:
            raise ContractError(f"{path}: OpenVINO cannot run it ({_reason(error)}); export it again") from None
        self._ring = Ring([_Request(request, path) for request in requests])
        floats = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        self.computes = f"int8/{floats}" if self.precision == "int8" else floats
        self.device = str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip()

    @classmethod
    def opened(cls, path: Path, *, trust: bool, throughput: bool) -> "OpenVINORunner":
        """Return the runner of an ONNX file."""
        return cls(path, throughput=throughput)

    def _free(self) -> None:
        self._ring.close()

    def _infer(self, frames: Frames) -> Labels:
        return self._ring.call(frames)

    def _stream(self, frames: Iterable[Frames]) -> Generator[Labels, None, None]:
        return self._ring.stream(frames)


class _Request:
    """An infer request as a slot of the ring. It has a copy of the frames: the caller's may change meanwhile."""

    def __init__(self, request: ov.InferRequest, path: Path) -> None:
        self._request, self._path = request, path

    def submit(self, frames: Frames) -> None:
        np.copyto(self._request.get_input_tensor().data, frames)
        self._request.start_async()

    def result(self) -> Labels:
        try:
            self._request.wait()
        except RuntimeError as error:
            raise ContractError(f"{self._path}: OpenVINO cannot run it ({_reason(error)}); export it again") from None
        return np.array(self._request.get_output_tensor().data, dtype=np.uint8)

    def drain(self) -> None:
        with suppress(RuntimeError):
            self._request.wait()


def _keep_scales_of_concats(model: ov.Model) -> None:
    """Stop OpenVINO from moving INT8 quantisation up through Concat, where it loses the scale.

    Seen in 2025.4 to 2026.4: a signed FakeQuantize that follows a Concat is split onto the Concat's inputs, which are
    then rounded to whole numbers; one pixel in seven of a UNet came out wrong. A 1x1 pooling in between changes no
    value, is not moved through, and costs nothing measurable.
    """
    for quantise in model.get_ops():
        if quantise.get_type_name() != "FakeQuantize":
            continue
        source = quantise.input_value(0)
        if source.get_node().get_type_name() == "Concat":
            pool = operators.max_pool(source, [1, 1], [1, 1], [0, 0], [0, 0], [1, 1])
            quantise.input(0).replace_source_output(pool.output(0))


def _metadata(model: ov.Model) -> dict[str, str]:
    """Return the ONNX file's metadata_props, which OpenVINO keeps under "framework"."""
    info = model.get_rt_info()
    framework = info["framework"] if "framework" in info else {}  # noqa: SIM401 - no mapping: it has no get
    return {str(key): str(value.value) for key, value in framework.items()}


def _signature(ports: list[ov.Output]) -> list[str]:
    return [f"{port.any_name} {_type(port)} {_shape(port)}" for port in ports]


def _type(port: ov.Output) -> str:
    kind = np.dtype(port.element_type.to_dtype())
    # Types of 4 bits are numpy's uint8, too, with two values a byte.
    return str(kind.name if port.element_type.bitwidth == 8 * kind.itemsize else port.element_type.to_string())


def _shape(port: ov.Output) -> list[int]:
    return [dimension.get_length() if dimension.is_static else -1 for dimension in port.partial_shape]


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return short(lines[-1]) if lines else type(error).__name__
