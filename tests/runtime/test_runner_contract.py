"""The contract of all runners: whichever runs an artefact, the caller sees the same."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers.engine_files import write_engine
from helpers.simulated_device import Simulation
from helpers.simulated_tensorrt import libraries_of, onnx_program
from segdata.dataset.dataset import Dataset
from segdata.errors import ContractError, EdgeSegError
from segrun.runners.base import Frames, Labels, Runner
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segrun.runners.openvino import OpenVINORunner
from segrun.runners.tensorrt.runner import TensorRTRunner

if TYPE_CHECKING:
    from conftest import Artefacts

Refused = Callable[..., AbstractContextManager[None]]
Open = Callable[[], Runner]

COUNT = 6


def real_engine(onnx_file: Path, folder: Path) -> Path:
    """Build an engine for the GPU of this machine; skip, with the reason, where that cannot be."""
    from segdata.errors import InputError, MissingDependencyError
    from segexport.engine.settings import choose_target
    from segexport.engine.to_engine import Provenance, build_engine
    from segexport.graph.onnx_file import read_onnx
    from segexport.options import EngineOptions
    from segrun.runners.tensorrt.driver import first_device
    from segrun.runners.tensorrt.library import find_tensorrt

    library = find_tensorrt()
    if library is None:
        pytest.skip("neither TensorRT nor TensorRT-RTX is installed")
    try:
        target = choose_target(library, first_device().compute_capability)
    except (InputError, MissingDependencyError) as error:  # or a GPU that TensorRT-RTX does not know
        pytest.skip(str(error))
    copy = folder / onnx_file.name
    copyfile(onnx_file, copy)
    return build_engine(library, read_onnx(copy), target, EngineOptions(), Provenance("seg-export"))


@pytest.fixture(
    params=[
        "openvino",
        "openvino, throughput",
        "onnxruntime",
        "tensorrt, simulated",
        "tensorrt, simulated, graphs",
        "tensorrt, simulated, cuda-bindings, graphs",
        pytest.param("tensorrt", marks=pytest.mark.gpu),
        pytest.param("tensorrt, no graphs", marks=pytest.mark.gpu),
    ]
)
def open_one(request: pytest.FixtureRequest, artefacts: "Artefacts", tmp_path: Path) -> Iterator[Open]:
    path = artefacts.onnx["fp32"]
    openers: dict[str, Open] = {
        "openvino": lambda: OpenVINORunner(path, arithmetic="f32"),
        "openvino, throughput": lambda: OpenVINORunner(path, arithmetic="f32", throughput=True),
        "onnxruntime": lambda: OnnxRuntimeRunner(path),
    }
    if request.param in openers:
        yield openers[request.param]
    elif "simulated" in request.param:
        simulation = Simulation(seed=1)
        engine = write_engine(tmp_path / "small.fp32.sm75.engine", artefacts.spec, path.read_bytes())
        cuda = "cuda-bindings" if "cuda-bindings" in request.param else "pycuda"
        libraries = libraries_of(simulation, onnx_program, graphs="graphs" in request.param, cuda=cuda)
        yield lambda: TensorRTRunner(engine, libraries=libraries)
        simulation.check_clean()
    else:
        engine = real_engine(path, tmp_path)
        yield lambda: TensorRTRunner(engine, graphs="no graphs" not in request.param)


@pytest.fixture(scope="module")
def frames(dataset: Dataset) -> Frames:
    return dataset.evaluation().images[:COUNT]


@pytest.fixture(scope="module")
def reference(artefacts: "Artefacts", frames: Frames) -> Labels:
    with OnnxRuntimeRunner(artefacts.onnx["fp32"]) as runner:
        return np.concatenate([runner(frame[None]) for frame in frames])


def test_the_same_frames_have_the_same_labels(open_one: Open, frames: Frames, reference: Labels) -> None:
    with open_one() as runner:
        assert runner.batch == 1
        assert runner.device
        labels = np.concatenate([runner(frame[None]) for frame in frames])
    assert labels.dtype == np.uint8
    assert labels.shape == reference.shape
    assert (labels == reference).mean() >= 0.9995  # rounding decides a pixel here and there


def test_a_stream_has_the_labels_of_each_frame_in_order(open_one: Open, frames: Frames) -> None:
    def through_one_buffer() -> Iterator[Frames]:
        buffer = np.empty_like(frames[:1])
        for frame in frames:
            buffer[0] = frame
            yield buffer
            buffer[...] = 255

    with open_one() as runner:
        one_by_one = [runner(frame[None]) for frame in frames]
        np.testing.assert_array_equal(list(runner.stream(through_one_buffer())), one_by_one)
        np.testing.assert_array_equal(list(runner.stream(frame[None] for frame in frames)), one_by_one)
        assert list(runner.stream([])) == []


def test_results_belong_to_the_caller(open_one: Open, frames: Frames) -> None:
    with open_one() as runner:
        kept = runner(frames[:1])
        before = kept.copy()
        streamed = list(runner.stream(frame[None] for frame in frames))
        streamed[1][...] = 77
    np.testing.assert_array_equal(kept, before)
    np.testing.assert_array_equal(streamed[0], before)
    assert not any(np.shares_memory(one, other) for one, other in pairwise(streamed))


def test_read_only_and_strided_frames_are_taken_and_left_alone(open_one: Open, frames: Frames) -> None:
    mirrored = frames[:1, :, ::-1]
    mirrored.flags.writeable = False
    before = mirrored.copy()
    with open_one() as runner:
        np.testing.assert_array_equal(runner(mirrored), runner(before))
    np.testing.assert_array_equal(mirrored, before)


@pytest.mark.parametrize("streamed", [False, True])
def test_frames_of_another_shape_are_refused_and_the_runner_goes_on(
    open_one: Open, frames: Frames, refused: Refused, streamed: bool
) -> None:
    wrong = frames[:1, :32]
    with open_one() as runner:
        good = runner(frames[:1])
        with refused(r"got frames uint8 \[1, 32, 64, 3\], need uint8 \[1, 64, 64, 3\], RGB", ContractError):
            list(runner.stream([frames[:1], frames[1:2], wrong])) if streamed else runner(wrong)
        np.testing.assert_array_equal(runner(frames[:1]), good)


def test_a_stream_may_be_left_early_and_mixed_with_calls(open_one: Open, frames: Frames) -> None:
    with open_one() as runner:
        one_by_one = [runner(frame[None]) for frame in frames]
        for _ in range(2):
            for index, labels in enumerate(runner.stream(frame[None] for frame in frames)):
                np.testing.assert_array_equal(labels, one_by_one[index])
                np.testing.assert_array_equal(runner(frames[-1:]), one_by_one[-1])
                if index == 3:
                    break


def test_what_the_source_raises_is_raised(open_one: Open, frames: Frames) -> None:
    def source() -> Iterator[Frames]:
        yield frames[:1]
        yield frames[1:2]
        raise OSError("the camera is gone")

    with open_one() as runner:
        with pytest.raises(OSError, match="the camera is gone"):
            list(runner.stream(source()))
        assert len(list(runner.stream(frame[None] for frame in frames))) == COUNT


def test_a_runner_may_be_closed_twice_and_is_of_no_use_then(open_one: Open, frames: Frames, refused: Refused) -> None:
    runner = open_one()
    runner(frames[:1])
    runner.close()
    runner.close()
    for use in (lambda: runner(frames[:1]), lambda: runner.stream([frames[:1]])):
        with refused("runner is closed; open the artefact again", EdgeSegError):
            use()
