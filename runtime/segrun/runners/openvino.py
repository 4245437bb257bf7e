"""Runs ONNX artefacts on the CPU with OpenVINO."""

import sys
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from segdata.cores import usable_cores
from segdata.errors import ContractError, InputError
from segdata.text import short
from segrun.runners.base import Frames, Inferred, Runner
from segrun.runners.contract import contract_of
from segrun.runners.onnx_check import check_onnx
from segrun.runners.ring import Ring

# At import OpenVINO sends telemetry and keeps an identifier in the home folder, unless the module for that is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # Python's way to say so

import openvino as ov  # noqa: E402
from openvino import opset13 as operators  # noqa: E402
from openvino.frontend import FrontEndManager  # noqa: E402

from segrun.runners.coarse_argmax import find_classes_before_enlarging  # noqa: E402

_LATENCY = {"PERFORMANCE_HINT": "LATENCY"}
_ARITHMETICS = {
    "FP32": "f32",
    "BF16": "bf16",
    "FP16": "f16",
}  # OpenVINO's names for a CPU's capabilities, and for bfloat16


class OpenVINORunner(Runner):
    """The default runner on a machine without a GPU. Reads the ONNX file as it is.

    `computes`, not the artefact's precision, says what the float part is computed in.
    """

    name = "OpenVINO"

    def __init__(self, path: Path, arithmetic: str | None = None, throughput: bool = False) -> None:
        """Load `path`; raise InputError if it is not an ONNX file, ContractError if it breaks the graph contract.

        `arithmetic` ("f32", "bf16", "f16") is what floats are computed in; None leaves it to OpenVINO. `throughput` is
        for files: `stream` then keeps as many frames in flight as OpenVINO finds best here, each on a part of the
        cores. Without it, for live sources, one frame at a time has all of them.
        """
        check_onnx(path)
        # Only the ONNX reader: the others print messages about files that are not theirs.
        try:
            frontend = FrontEndManager().load_by_framework("onnx")
            model = frontend.convert(frontend.load(str(path)))
            metadata, signature = _metadata(model), _signature([*model.inputs, *model.outputs])
        except Exception as error:
            raise InputError(f"{path}: OpenVINO cannot read it as ONNX ({_reason(error)}); export it again") from None
        self._take(contract_of(metadata, signature, str(path)))
        _keep_scales_of_concats(model)
        core = ov.Core()
        # Beside a decoder and an encoder, pinned threads would wait for their core while another is free.
        hint = {"PERFORMANCE_HINT": "THROUGHPUT", "ENABLE_CPU_PINNING": False} if throughput else _LATENCY
        pinned = {"INFERENCE_PRECISION_HINT": arithmetic} if arithmetic else {}
        find_classes_before_enlarging(model, pixel_by_pixel=arithmetic == "f32")
        if arithmetic == "f32":
            _find_classes_pixel_by_pixel(model)
        try:
            compiled = core.compile_model(model, "CPU", {**hint, **pinned, "INFERENCE_NUM_THREADS": usable_cores()})
            # Two for latency: while one runs on all cores, another thread's frame is copied and waits its turn.
            self.in_flight = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") if throughput else 2
            requests = [compiled.create_infer_request() for _ in range(self.in_flight)]
        except RuntimeError as error:
            raise ContractError(f"{path}: OpenVINO cannot run it ({_reason(error)}); export it again") from None
        self._ring = Ring([_Request(request, path) for request in requests])
        floats = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        self.computes = f"int8/{floats}" if self.precision == "int8" else floats
        self.device = str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip()

    @classmethod
    def opened(
        cls, path: Path, *, trust: bool, throughput: bool, arithmetic: str | None, gpu: int = 0
    ) -> "OpenVINORunner":
        """Return the runner of an ONNX file."""
        return cls(path, arithmetic, throughput)

    @classmethod
    def arithmetics(cls) -> tuple[str, ...]:
        """Return what OpenVINO says that this processor computes in."""
        able = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return tuple(ours for theirs, ours in _ARITHMETICS.items() if theirs in able)

    @classmethod
    def platform(cls) -> str:
        """Return OpenVINO with its version, and the processor."""
        return f"{cls.name} {ov.__version__} on {ov.Core().get_property('CPU', 'FULL_DEVICE_NAME')}"

    def _free(self) -> None:
        self._ring.close()

    def _infer(self, frames: Frames) -> Inferred:
        return self._ring.call(frames)

    def _stream(self, frames: Iterable[Frames]) -> Generator[Inferred, None, None]:
        return self._ring.stream(frames)


class _Request:
    """An infer request as a slot of the ring. It has a copy of the frames: the caller's may change meanwhile."""

    def __init__(self, request: ov.InferRequest, path: Path) -> None:
        self._request, self._path = request, path

    def submit(self, frames: Frames) -> None:
        np.copyto(self._request.get_input_tensor().data, frames)
        self._request.start_async()

    def result(self) -> Inferred:
        try:
            self._request.wait()
        except RuntimeError as error:
            raise ContractError(f"{self._path}: OpenVINO cannot run it ({_reason(error)}); export it again") from None
        return Inferred(*(np.array(tensor.data, dtype=np.uint8) for tensor in self._request.output_tensors))

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


def _find_classes_pixel_by_pixel(model: ov.Model) -> None:
    """Have the argmax read the logits of one pixel after the other, as float32 convolutions leave them.

    OpenVINO (2026.4) looks for the largest across planes that do not lie so in memory, which took 8 of the 14.7 ms of
    unet-256 in INT8 on a Xeon core; along the last axis it takes 1.5. The labels are the same to the last pixel. In
    bfloat16 the planes are reordered anyway, and this would be slower.
    """
    for topk in model.get_ops():
        if topk.get_type_name() != "TopK" or topk.get_attributes()["axis"] != 1:
            continue
        shape = topk.output(1).partial_shape
        if shape.is_dynamic or len(shape) != 4 or shape[1].get_length() != 1:
            continue
        last = operators.transpose(topk.input_value(0), operators.constant([0, 2, 3, 1]))
        found = operators.topk(last, operators.constant(1), 3, "max", "value", stable=True)
        labels = operators.reshape(found.output(1), operators.constant([each.get_length() for each in shape]), False)
        for reader in topk.output(1).get_target_inputs():
            reader.replace_source_output(labels.output(0))


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
