"""Builds an emulated libcuda.so.1, and runs TensorRTRunner on it with the real pycuda and the real cuda-bindings.

`build` needs gcc and CUDA's headers. As a script, with the library's folder in LD_LIBRARY_PATH, it drives the runner
through the named package, and prints each error in a line.
"""

import ctypes
import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from shutil import which
from types import SimpleNamespace
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_suffix(".c")
HEIGHT, WIDTH = 6, 8
TRIES = 20  # of a wrong runner: delays are random, so what is done too early may happen to be done in time


def headers() -> Path | None:
    """Return the folder that has cuda.h, of a toolkit or of NVIDIA's wheels, or None."""
    nvidia = find_spec("nvidia")
    wheels = [Path(place) for place in nvidia.submodule_search_locations or ()] if nvidia else []
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    roots = [toolkit, *(each for place in wheels for each in place.glob("*"))]
    return next((root / "include" for root in roots if (root / "include" / "cuda.h").is_file()), None)


def why_not() -> str:
    """Return what is missing to build it, "" if nothing is."""
    if sys.platform != "linux" or which("gcc") is None:
        return "needs gcc, on Linux"
    return "" if headers() else "needs CUDA's headers"


def build(folder: Path) -> None:
    """Build libcuda.so.1 in `folder`; functions that only pycuda's module links with get a body that fails."""
    stubs = folder / "stubs.c"
    bodies = (f"__attribute__((weak)) int {name}(void) {{ return 801; }}\n" for name in sorted(_asked()))
    stubs.write_text("".join(bodies))
    library = folder / "libcuda.so.1"
    flags = ["-O1", "-shared", "-fPIC", "-w", f"-I{headers()}", "-Wl,-soname,libcuda.so.1"]
    objects = []
    for source in (SOURCE, stubs):  # apart: the weak bodies know no types
        objects.append(str(folder / f"{source.stem}.o"))
        subprocess.run(["gcc", *flags[2:5], "-O1", "-c", str(source), "-o", objects[-1]], check=True)
    subprocess.run(["gcc", "-shared", flags[-1], *objects, "-o", str(library), "-lpthread", "-ldl"], check=True)


def _asked() -> set[str]:
    """Return the functions of CUDA that pycuda's module is linked with."""
    found = find_spec("pycuda")
    if found is None or which("nm") is None:
        return set()
    (module,) = Path(str(found.origin)).parent.glob("_driver*.so")
    listed = subprocess.run(["nm", "-D", "-u", str(module)], capture_output=True, text=True, check=True).stdout
    return {word for word in listed.split() if word.startswith("cu")}


class Emulated:
    """The library, and TensorRT's runtime on it."""

    def __init__(self) -> None:
        self.cuda = ctypes.CDLL("libcuda.so.1")
        self.cuda.emulated_report.restype = self.cuda.emulated_failed_in.restype = ctypes.c_char_p

    def libraries(self, driver: Any, bindings: Any) -> Any:  # noqa: ANN401
        """Return what a runner needs, with an engine that computes the toy program."""
        from helpers.simulated_tensorrt import VERSION, DataType, Logger, TensorIOMode, toy_program
        from segrun.runners.tensorrt.library import TensorRT
        from segrun.runners.tensorrt.runner import Libraries

        logger, toy = Logger(), self.cuda.emulated_toy
        tensors = toy_program(1, HEIGHT, WIDTH).tensors

        class Context:
            def __init__(self) -> None:
                self.at: dict[str, int] = {}

            def set_tensor_address(self, name: str, address: int) -> bool:
                self.at[name] = address
                return True

            def execute_async_v3(self, stream: int) -> bool:
                size = ctypes.c_size_t
                at = [ctypes.c_void_p(value) for value in (stream, self.at["frames"], self.at["labels"])]
                code = toy(*at, size(HEIGHT * WIDTH), size(WIDTH))
                if code:
                    logger.errors.append(f"CUDA says {code}")
                return bool(code == 0)

        class Engine:
            num_io_tensors = len(tensors)

            def get_tensor_name(self, index: int) -> str:
                return list(tensors)[index]

            def get_tensor_mode(self, name: str) -> object:
                return TensorIOMode[tensors[name][0]]

            def get_tensor_dtype(self, name: str) -> object:
                return DataType[tensors[name][1]]

            def get_tensor_shape(self, name: str) -> tuple[int, ...]:
                return tensors[name][2]

            def create_execution_context(self) -> Context:
                return Context()

        runtime = SimpleNamespace(deserialize_cuda_engine=lambda plan: Engine())
        module = SimpleNamespace(
            __version__=VERSION, Runtime=lambda logger: runtime, TensorIOMode=TensorIOMode, DataType=DataType
        )
        return Libraries(TensorRT(module, "tensorrt"), logger, driver, bindings)  # type: ignore[arg-type] # no module


def drive(emulated: Emulated, engine: Path, driver: Any, bindings: Any) -> Iterator[str]:  # noqa: ANN401
    """Call once, stream twelve frames at depth 3, stop after the ninth; yield what was wrong."""
    from helpers.simulated_tensorrt import toy_program
    from segdata.errors import EdgeSegError
    from segrun.runners.tensorrt.runner import TensorRTRunner

    items = np.random.default_rng(0).integers(0, 256, (12, 1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    compute = toy_program(1, HEIGHT, WIDTH).compute
    try:
        with TensorRTRunner(engine, 3, libraries=emulated.libraries(driver, bindings)) as runner:
            if not np.array_equal(runner(items[0]), compute(items[0])):
                yield "wrong labels"
            if emulated.cuda.emulated_depth():
                yield "a context is current between calls"
            # Compared at the end: labels that are not the caller's own are another frame's by then.
            kept = list(islice(runner.stream(iter(items)), 9))
            if not all(np.array_equal(labels, compute(item)) for labels, item in zip(kept, items, strict=False)):
                yield "wrong labels"
    except EdgeSegError as error:
        failed = emulated.cuda.emulated_failed_in().decode()
        yield f"one line: {error}" if failed and "\n" not in str(error) else f"unexpected: {error}"
    gc.collect()
    yield from emulated.cuda.emulated_report().decode().splitlines()


def main(name: str) -> None:
    """Print what is wrong with the runner as it is, at each call that fails, and with each wrong runner."""
    import pytest

    from helpers.engine_files import toy_spec, write_engine
    from runtime import test_simulated_device as wrong
    from segrun.runners.tensorrt.bindings import BindingsDriver, find_bindings
    from segrun.runners.tensorrt.driver import load_driver

    emulated, bindings = Emulated(), find_bindings()
    driver = BindingsDriver(bindings) if name == "cuda-bindings" else load_driver()
    engine = write_engine(Path(tempfile.mkdtemp()) / "toy.engine", toy_spec(HEIGHT, WIDTH))

    def found(graphs: Any) -> list[str]:  # noqa: ANN401
        return sorted(set(drive(emulated, engine, driver, graphs)))

    for graphs, code, sticky in ((None, 700, 1), (bindings, 999, 0)):
        for _ in range(5):
            emulated.cuda.emulated_reset()
            for line in found(graphs):
                print(f"as it is: {line}")
        nth, failed = 0, "some"
        while failed:
            nth += 1
            emulated.cuda.emulated_reset()
            emulated.cuda.emulated_fail(ctypes.c_long(nth), code, sticky)
            lines = found(graphs)
            failed = emulated.cuda.emulated_failed_in().decode()
            for line in lines:
                if not line.startswith("one line: "):
                    print(f"call {nth}, {failed}: {line}")
        print(f"# {nth - 1} calls failed, sticky {sticky}, graphs {graphs is not None}", file=sys.stderr)
    # All but what TensorRT alone could notice, and what is slow but not wrong.
    marks: list[pytest.Mark] = vars(wrong.test_each_wrong_runner_is_caught)["pytestmark"]
    (cases,) = (mark for mark in marks if mark.args[0] == ("broken", "said"))
    unnoticed = wrong.keeps_execution_contexts, wrong.allocates_for_each_frame
    for broken in (each for each, _ in cases.args[1] if each not in unnoticed):
        caught: list[str] = []
        for _ in range(TRIES):
            patch = pytest.MonkeyPatch()
            broken(patch)
            emulated.cuda.emulated_reset()
            try:
                caught = found(None)
            except Exception as error:
                caught = [type(error).__name__]
            finally:
                patch.undo()
            if caught:
                break
        print(f"# {broken.__name__}: {'; '.join(caught) or 'missed'}", file=sys.stderr)
        if not caught:
            print(f"missed: {broken.__name__}")


if __name__ == "__main__":
    main(sys.argv[1])
