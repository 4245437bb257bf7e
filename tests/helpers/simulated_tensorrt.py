"""TensorRT's runtime on the simulated device, and engines that compute a real function."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

from helpers.simulated_bindings import bindings_of
from helpers.simulated_device import Simulation, Work
from segrun.runners.tensorrt.bindings import BindingsDriver
from segrun.runners.tensorrt.library import TensorRT
from segrun.runners.tensorrt.manifest import Flavour
from segrun.runners.tensorrt.runner import Libraries

VERSION = "10.16.1.11"
KERNELS = b"compiled kernels"


@dataclass(frozen=True)
class Program:
    """What an engine computes, and how it describes itself: name -> (mode, type, shape), in the engine's order."""

    tensors: dict[str, tuple[str, str, tuple[int, ...]]]
    compute: Callable[[np.ndarray], np.ndarray]
    compute_confidence: Callable[[np.ndarray], np.ndarray] | None = None


def toy_program(batch: int, height: int, width: int) -> Program:
    """A function of every byte of the frame, so that one wrong byte shows."""
    shape = (batch, height, width)

    def compute(frames: np.ndarray) -> np.ndarray:
        mixed = np.cumsum(frames.astype(np.int64) * (1, 3, 5), axis=2).sum(axis=-1)
        return np.asarray(mixed * 7919 % 251 % 29, dtype=np.uint8)

    # Outputs first: engines list their tensors in any order.
    tensors = {"labels": ("OUTPUT", "UINT8", shape), "frames": ("INPUT", "UINT8", (*shape, 3))}
    return Program(tensors, compute)


def onnx_program(plan: bytes) -> Program:
    """Return the function of an ONNX file, by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(plan, options, providers=["CPUExecutionProvider"])
    tensors = {
        each.name: (mode, each.type.removeprefix("tensor(").removesuffix(")").upper(), tuple(each.shape))
        for mode, group in (("INPUT", session.get_inputs()), ("OUTPUT", session.get_outputs()))
        for each in group
    }

    def compute(frames: np.ndarray, output: str) -> np.ndarray:
        return np.asarray(session.run([output], {"frames": frames})[0])

    has_confidence = "confidence" in tensors
    return Program(
        tensors,
        lambda frames: compute(frames, "labels"),
        (lambda frames: compute(frames, "confidence")) if has_confidence else None,
    )


class Logger:
    """The collecting logger's surface."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def take_problems(self) -> list[str]:
        problems, self.errors = self.errors, []
        return problems

    def take_errors(self) -> str:
        errors, self.errors = " ".join("; ".join(self.errors).split()), []
        return errors or "no reason given"


class TensorIOMode(Enum):
    """What a tensor of an engine is for."""

    NONE, INPUT, OUTPUT = range(3)


class DataType(Enum):
    """What a tensor of an engine holds."""

    FLOAT, HALF, INT64, UINT8 = range(4)


def libraries_of(
    simulation: Simulation,
    load: Callable[[bytes], Program],
    flavour: Flavour = "tensorrt",
    graphs: bool = False,
    uncapturable: bool = False,
    cuda: str = "pycuda",
) -> Libraries:
    """Return what a runner needs, on a simulated device. `load` reads a plan, raising ValueError if it cannot.

    `graphs` installs cuda-bindings; `cuda` is what the device is driven through, "pycuda" or "cuda-bindings";
    `uncapturable` engines refuse to run while a graph is captured.
    """
    logger = Logger()
    module = _tensorrt_of(simulation, load, logger, flavour, uncapturable)
    bindings = bindings_of(simulation)
    driver = BindingsDriver(bindings) if cuda == "cuda-bindings" else simulation.driver
    return Libraries(TensorRT(module, flavour), logger, driver, bindings if graphs else None)


def _tensorrt_of(simulation: Simulation, load: Any, logger: Logger, flavour: str, uncapturable: bool) -> Any:  # noqa: ANN401
    def fails(name: str) -> bool:
        if simulation.fails(name):
            logger.errors.append(f"{name}: an injected\nfailure" if not simulation.dead else "the device is dead")
            return True
        return False

    class Owned:
        def __init__(self, what: str) -> None:
            simulation.require_current(what)
            self.what, self.context, self.key = what, simulation.stack[-1], simulation.make(what)

        def __del__(self) -> None:
            if not hasattr(self, "key"):
                return
            simulation.drop(self.key)
            if not simulation.dead and (not simulation.stack or simulation.stack[-1] is not self.context):
                simulation.violations.append(f"{self.what} is destroyed without its context current")
            if any(work.user == self.key for queue in simulation.queues.values() for work in queue.work):
                simulation.violations.append(f"{self.what} is destroyed while it runs")

    class RuntimeCache:
        """The kernels that TensorRT-RTX compiled."""

        def __init__(self) -> None:
            self.content = b""

        def deserialize(self, content: bytes) -> bool:
            simulation.require_current("deserialize of a runtime cache")
            if content != KERNELS:
                logger.errors.append("the runtime cache is of another GPU")
                return False
            self.content = content
            return True

        def serialize(self) -> bytes:
            return self.content

    class RuntimeConfig:
        """The options of an execution context."""

        def __init__(self) -> None:
            self.cuda_graph_strategy = "DISABLED"
            self.cache = RuntimeCache()  # each its own, unless it is told otherwise

        def create_runtime_cache(self) -> RuntimeCache:
            return RuntimeCache()

        def set_runtime_cache(self, cache: RuntimeCache) -> bool:
            self.cache = cache
            return True

    class ExecutionContext(Owned):
        def __init__(self, program: Program, config: RuntimeConfig | None) -> None:
            super().__init__("an execution context")
            self.program = program
            self.config = None if config is None else weakref.ref(config)
            self.addresses: dict[str, int] = {}

        def set_tensor_address(self, name: str, memory: int) -> bool:
            assert type(memory) is int
            if fails("set_tensor_address"):
                return False
            self.addresses[name] = memory
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            simulation.require_current("execute_async_v3", self.context)
            if fails("execute_async_v3"):
                return False
            if uncapturable and simulation.queues[stream_handle].capture is not None:
                logger.errors.append("not permitted when stream is capturing")
                return False
            if self.config is not None:
                config = self.config()
                if config is None:
                    raise simulation.violation("a runtime config is gone before its execution context")
                simulation.compiled += config.cache.content != KERNELS
                config.cache.content = KERNELS
            memory = {name: simulation.memory[address] for name, address in self.addresses.items()}
            frames = memory["frames"]
            outputs = tuple(memory[name] for name in ("labels", "confidence") if name in memory)
            shapes = {name: shape for name, (_, _, shape) in self.program.tensors.items()}
            for name, shape in shapes.items():
                if memory[name].content.nbytes < int(np.prod(shape)):
                    raise simulation.violation(f"the memory of {name} is too small")
            computes = (self.program.compute, self.program.compute_confidence)

            def run() -> None:
                for output, compute in zip(outputs, computes, strict=False):
                    assert compute is not None
                    output.content[:] = compute(frames.content.reshape(shapes["frames"])).reshape(-1)

            key = self.key
            simulation.enqueue(stream_handle, lambda: Work(run, (frames,), outputs, user=key))
            return True

    class Engine(Owned):
        def __init__(self, program: Program) -> None:
            super().__init__("an engine")
            self.program = program
            self.num_io_tensors = len(program.tensors)

        def get_tensor_name(self, index: int) -> str:
            return list(self.program.tensors)[index]

        def get_tensor_mode(self, name: str) -> object:
            return TensorIOMode[self.program.tensors[name][0]]

        def get_tensor_dtype(self, name: str) -> object:
            return DataType[self.program.tensors[name][1]]

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return self.program.tensors[name][2]

        def create_runtime_config(self) -> RuntimeConfig:
            assert flavour == "tensorrt-rtx"
            return RuntimeConfig()

        def create_execution_context(self, config: RuntimeConfig | None = None) -> ExecutionContext | None:
            simulation.require_current("create_execution_context", self.context)
            return None if fails("create_execution_context") else ExecutionContext(self.program, config)

    class Runtime:
        def __init__(self, given: object) -> None:
            assert given is logger

        def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
            simulation.require_current("deserialize_cuda_engine")
            if fails("deserialize_cuda_engine"):
                return None
            try:
                return Engine(load(plan))
            except ValueError as error:
                logger.errors.append(str(error))
                return None

    names: dict[str, Any] = {
        "__version__": VERSION,
        "Runtime": Runtime,
        "TensorIOMode": TensorIOMode,
        "DataType": DataType,
    }
    if flavour == "tensorrt-rtx":
        names["CudaGraphStrategy"] = SimpleNamespace(WHOLE_GRAPH_CAPTURE="WHOLE_GRAPH_CAPTURE")
    return SimpleNamespace(**names)
