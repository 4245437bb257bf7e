"""TensorRTRunner: engines that cannot run here are refused in one line."""

import ctypes.util
import importlib.util
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.engine_files import REBUILD, toy_spec, write_engine
from helpers.simulated_bindings import bindings_of
from helpers.simulated_device import Simulation
from helpers.simulated_tensorrt import VERSION, Program, libraries_of, toy_program
from helpers.toy_engine import HEIGHT, WIDTH, made, toy_libraries, wanted
from segdata.errors import ContractError, EdgeSegError, MissingDependencyError
from segrun.runners.open import open_runner
from segrun.runners.tensorrt.driver import driver_title, first_device, load_driver
from segrun.runners.tensorrt.library import collecting_logger, load_tensorrt
from segrun.runners.tensorrt.manifest import same_release
from segrun.runners.tensorrt.runner import Libraries, TensorRTRunner

Refused = Callable[..., AbstractContextManager[None]]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"version": "10.3.0"}, f"built with tensorrt 10.3.0, but here is tensorrt {VERSION}; install that, or"),
        (
            {"flavour": "tensorrt-rtx", "version": "1.4.0"},
            f"built with tensorrt-rtx 1.4.0, but here is tensorrt {VERSION}",
        ),
        (
            {"compute_capability": "8.6", "target": "RTX 3090"},
            r"built for RTX 3090 \(compute capability 8.6\), but here is Simulated GTX 1660 Ti \(7.5\);",
        ),
    ],
)
def test_an_engine_for_something_else_is_refused_before_it_is_deserialised(
    tmp_path: Path, refused: Refused, entries: dict[str, Any], said: str
) -> None:
    path = write_engine(tmp_path / "other.engine", toy_spec(HEIGHT, WIDTH), **entries)
    simulation = Simulation()

    def load(plan: bytes) -> Program:
        raise AssertionError("a plan was deserialised")

    with refused(f"^{path}: {said}.*build it again with: {REBUILD}$", ContractError):
        TensorRTRunner(path, libraries=libraries_of(simulation, load))
    simulation.check_clean()


def test_other_bytes_are_refused_unless_they_are_trusted(tmp_path: Path, refused: Refused) -> None:
    path = write_engine(tmp_path / "toy.engine", toy_spec(HEIGHT, WIDTH))
    path.write_bytes(b"another plan")
    with refused(f"its manifest says .*build it again with: {REBUILD}", ContractError):
        TensorRTRunner(path, libraries=toy_libraries(Simulation()))
    plans = []

    def load(plan: bytes) -> Program:
        plans.append(plan)
        return toy_program(1, HEIGHT, WIDTH)

    with TensorRTRunner(path, trust=True, libraries=libraries_of(Simulation(), load)) as runner:
        assert runner.spec == toy_spec(HEIGHT, WIDTH)
    assert plans == [b"another plan"]


FRAMES = ("INPUT", "UINT8", (1, HEIGHT, WIDTH, 3))
LABELS = ("OUTPUT", "UINT8", (1, HEIGHT, WIDTH))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"images": FRAMES, "labels": LABELS}, "got images uint8"),
        ({"frames": FRAMES, "labels": ("OUTPUT", "INT64", LABELS[2])}, r"labels int64 \[1, 3, 4\], need frames uint8"),
        ({"frames": ("INPUT", "FLOAT", FRAMES[2]), "labels": LABELS}, r"got frames float \["),
        ({"frames": ("INPUT", "UINT8", (1, 9, 9, 3)), "labels": LABELS}, r"got frames uint8 \[1, 9, 9, 3\]"),
        ({"frames": ("INPUT", "UINT8", (-1, HEIGHT, WIDTH, 3)), "labels": LABELS}, r"got frames uint8 \[-1, 3, 4, 3\]"),
        ({"frames": FRAMES, "labels": LABELS, "scores": LABELS}, "scores uint8"),
    ],
)
def test_an_engine_of_another_signature_is_refused(
    engine: Path, refused: Refused, tensors: dict[str, tuple[str, str, tuple[int, ...]]], said: str
) -> None:
    simulation = Simulation()
    libraries = libraries_of(simulation, lambda plan: Program(tensors, lambda frames: frames))
    with refused(f"{engine} breaks the graph contract: .*{said}", ContractError):
        TensorRTRunner(engine, libraries=libraries)
    simulation.check_clean()


def test_a_plan_that_tensorrt_cannot_read_is_refused(engine: Path, refused: Refused) -> None:
    simulation = Simulation()

    def load(plan: bytes) -> Program:
        raise ValueError("magic tag\nassertion failed")

    said = r"cannot read it \(magic tag assertion failed\); build it again with seg-export"
    with refused(f"^{engine}: tensorrt {VERSION} {said}$", ContractError):
        TensorRTRunner(engine, libraries=libraries_of(simulation, load))
    simulation.check_clean()


@pytest.mark.parametrize("cuda", ["pycuda", "cuda-bindings"])
@pytest.mark.parametrize("call", range(1, 6))  # init, Device, compute_capability, name, pci_bus_id
def test_without_a_gpu_one_line_says_so(engine: Path, refused: Refused, call: int, cuda: str) -> None:
    simulation = Simulation(fail_at=call)
    with refused("CUDA finds no GPU .*check nvidia-smi", MissingDependencyError):
        TensorRTRunner(engine, libraries=toy_libraries(simulation, cuda=cuda))
    simulation.check_clean()


def test_without_pycuda_it_runs_on_cuda_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pycuda", "pycuda.driver"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", bindings_of(Simulation()))
    driver = load_driver()
    assert driver_title(driver) == "cuda-bindings"
    assert first_device() == ("Simulated GTX 1660 Ti", "7.5", "0000:01:00.0")


def test_a_pycuda_newer_than_the_driver_is_explained(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pycuda").mkdir()
    (tmp_path / "pycuda" / "__init__.py").touch()
    broken = 'raise ImportError("_driver.so: undefined symbol: cuCtxCreate_v4")'
    (tmp_path / "pycuda" / "driver.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pycuda"]:
        monkeypatch.delitem(sys.modules, name)
    with refused("undefined symbol: cuCtxCreate_v4.*is older than CUDA 13.*install driver 580", MissingDependencyError):
        load_driver()
    for name in ("pycuda", "pycuda.driver"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("built", "here", "same"), [
    ("10.14.1.48", "10.14.1.48.post1", True),
    ("10.14.1.48.post1", "10.14.1.48", True),
    ("10.14.1.48", "10.14.1.4", False),
    ("1.7.1.116", "1.7.1.117", False),
    ("unknown", "1.7.1.116", False),
])  # fmt: skip
def test_a_version_is_the_same_however_it_was_packaged(built: str, here: str, same: bool) -> None:
    assert same_release(built, here) == same


def test_without_pycuda_or_driver_one_line_says_what_to_install(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    here = version("tensorrt-rtx")
    path = write_engine(tmp_path / "t.engine", toy_spec(HEIGHT, WIDTH), flavour="tensorrt-rtx", version=here)
    with refused("pycuda cannot be imported .*needs an NVIDIA driver, and: pip install", MissingDependencyError):
        open_runner(path)


def test_without_the_tensorrt_that_built_it_one_line_names_both(tmp_path: Path, refused: Refused) -> None:
    if importlib.util.find_spec("tensorrt") is not None:
        pytest.skip("TensorRT is installed")
    path = write_engine(tmp_path / "t.engine", toy_spec(HEIGHT, WIDTH))
    said = (
        f"built with tensorrt {VERSION}, but here is tensorrt-rtx .*; install that, or build it again with: {REBUILD}"
    )
    with refused(said, ContractError):
        open_runner(path)


def test_the_real_tensorrt_rtx_without_a_driver_is_one_line(tmp_path: Path, refused: Refused) -> None:
    """The real library deserialises here, with only CUDA simulated."""
    library = load_tensorrt("tensorrt-rtx")
    path = write_engine(tmp_path / "t.engine", toy_spec(HEIGHT, WIDTH), flavour="tensorrt-rtx", version=library.version)
    if ctypes.util.find_library("cuda"):
        pytest.skip("there is a driver")
    simulation = Simulation()
    libraries = Libraries(library, collecting_logger(library), simulation.driver, None)
    with refused(
        r"driver is missing or too old for tensorrt-rtx .*cudaError 35.*install a newer", MissingDependencyError
    ):
        TensorRTRunner(path, libraries=libraries)
    simulation.check_clean()


def test_a_gpu_that_is_full_is_one_line_that_says_what_to_do(engine: Path, refused: Refused) -> None:
    counting = Simulation()
    TensorRTRunner(engine, libraries=toy_libraries(counting)).close()
    for call in range(1, counting.calls):
        simulation = Simulation(fail_at=call)
        try:
            TensorRTRunner(engine, libraries=toy_libraries(simulation)).close()
        except EdgeSegError as error:
            if simulation.failed_in == "mem_alloc":
                said = str(error)
    assert said.startswith("Simulated GTX 1660 Ti is out of memory (mem_alloc failed")
    assert said.endswith("keep fewer frames in flight")


@pytest.mark.parametrize(
    ("flavour", "options", "said"),
    [
        ("tensorrt", {"graphs": True}, "copies and inference"),
        ("tensorrt", {"graphs": False}, "none: cuda-bindings is not installed"),
        (
            "tensorrt",
            {"graphs": True, "uncapturable": True},
            "none: TensorRT cannot run the engine: not permitted when",
        ),
        ("tensorrt-rtx", {"graphs": True}, "TensorRT-RTX's own"),
    ],
)
def test_it_says_whether_it_uses_cuda_graphs_and_works_without(
    engine: Path, rtx_engine: Path, flavour: str, options: dict[str, bool], said: str
) -> None:
    items = made(7)
    path = engine if flavour == "tensorrt" else rtx_engine
    for wish in (True, False):
        simulation = Simulation()
        runner = TensorRTRunner(path, graphs=wish, libraries=toy_libraries(simulation, flavour=flavour, **options))
        with runner:
            assert runner.cuda_graph.startswith(said if wish else "none: not asked for")
            np.testing.assert_array_equal(list(runner.stream(items)), [wanted(item) for item in items])
        simulation.check_clean()


def test_a_depth_below_one_is_refused(engine: Path, refused: Refused) -> None:
    with refused("got depth 0, need at least 1 frame in flight"):
        TensorRTRunner(engine, depth=0, libraries=toy_libraries(Simulation()))
