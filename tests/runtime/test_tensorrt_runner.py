"""TensorRTRunner on a simulated GPU: right labels in the right order, whatever happens, and nothing left behind."""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.engine_files import toy_spec, write_engine
from helpers.simulated_device import Simulation
from helpers.simulated_tensorrt import KERNELS
from helpers.toy_engine import HEIGHT, WIDTH, made, toy_libraries, wanted
from segdata.errors import EdgeSegError
from segrun.runners.base import Frames, Labels
from segrun.runners.tensorrt.runner import TensorRTRunner

Refused = Callable[..., AbstractContextManager[None]]

PATIENCE = 60  # seconds after which a test that hangs fails
FLAVOURS = ("tensorrt", "tensorrt-rtx")
CUDAS = ("pycuda", "cuda-bindings")
# A first failure anywhere from opening to the last frame of a short stream; deeper runs make about 130 calls.
CALLS = st.integers(1, 140)


def through_one_buffer(items: list[Frames]) -> Iterator[Frames]:
    """A source that reads every item into the same array, as a decoder may."""
    buffer = np.empty_like(items[0]) if items else np.empty(0, np.uint8)
    for item in items:
        buffer[...] = item
        yield buffer
        buffer[...] = 255


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    lazy=st.booleans(),
    depth=st.integers(1, 5),
    count=st.integers(0, 20),
    batch=st.integers(1, 3),
    taken=st.none() | st.integers(0, 20),
    graphs=st.booleans(),
    calls_between=st.booleans(),
    cuda=st.sampled_from(CUDAS),
)
def test_a_stream_is_the_plain_function_in_order(
    engine: Path,
    seed: int,
    lazy: bool,
    depth: int,
    count: int,
    batch: int,
    taken: int | None,
    graphs: bool,
    calls_between: bool,
    cuda: str,
) -> None:
    simulation = Simulation(seed, lazy)
    items = made(count, batch, seed)
    results = []
    with TensorRTRunner(engine, depth, libraries=toy_libraries(simulation, batch, graphs=graphs, cuda=cuda)) as runner:
        assert runner.batch == batch
        simulation.forbid_allocation()
        stream = runner.stream(through_one_buffer(items))
        for labels in stream:
            results.append(labels)
            if calls_between:
                np.testing.assert_array_equal(runner(items[-1]), wanted(items[-1]))
            if len(results) == taken:
                break
        del stream  # a consumer that stops early lets go of it
        again = made(1, batch, seed + 1)[0]
        np.testing.assert_array_equal(runner(again), wanted(again))
    assert len(results) == (min(count, taken) if taken else count)
    for labels, item in zip(results, items, strict=False):
        np.testing.assert_array_equal(labels, wanted(item))
    simulation.check_clean()


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    lazy=st.booleans(),
    depth=st.integers(1, 4),
    graphs=st.booleans(),
    flavour=st.sampled_from(FLAVOURS),
    fail_at=CALLS,
    sticky=st.booleans(),
    cuda=st.sampled_from(CUDAS),
)
def test_a_failure_at_any_call_is_one_line_and_leaves_nothing(
    engine: Path,
    rtx_engine: Path,
    seed: int,
    lazy: bool,
    depth: int,
    graphs: bool,
    flavour: str,
    fail_at: int,
    sticky: bool,
    cuda: str,
) -> None:
    simulation = Simulation(seed, lazy, fail_at, sticky)
    items = made(8)
    libraries = toy_libraries(simulation, flavour=flavour, graphs=graphs, cuda=cuda)
    failure: EdgeSegError | None = None
    results: list[Labels] = []
    again: list[Labels] = []
    try:
        with TensorRTRunner(engine if flavour == "tensorrt" else rtx_engine, depth, libraries=libraries) as runner:
            try:
                results.extend(runner.stream(iter(items)))
            except EdgeSegError as error:
                failure = error
                if not simulation.dead:  # it goes on after a single failure
                    again = [runner(items[0]), *runner.stream(iter(items))]
    except EdgeSegError as error:
        failure = error
    if failure is not None:
        assert "\n" not in str(failure)
        assert simulation.failed_in
    for labels, item in zip(results, items, strict=False):
        np.testing.assert_array_equal(labels, wanted(item))
    for labels, item in zip(again, [items[0], *items], strict=False):
        np.testing.assert_array_equal(labels, wanted(item))
    if failure is None:
        assert len(results) == len(items)
    simulation.check_clean()  # and the error is still there, with its traceback and all it holds on to


@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("cuda", CUDAS)
def test_a_failure_at_each_call_in_turn(engine: Path, cuda: str, graphs: bool, sticky: bool) -> None:
    """As above, but systematically: opening, three frames at depth 2, a call, closing."""
    items = made(3)
    calls, said = 0, []
    simulation = None
    while simulation is None or simulation.failed_in:
        calls += 1
        simulation = Simulation(calls, fail_at=calls, sticky=sticky)
        failure = None
        try:
            with TensorRTRunner(engine, 2, libraries=toy_libraries(simulation, graphs=graphs, cuda=cuda)) as runner:
                list(runner.stream(iter(items)))
                runner(items[0])
        except EdgeSegError as error:
            failure = error
        simulation.check_clean()  # while the error holds on to the frames it came through
        if failure is not None:
            said.append(str(failure))
    assert calls > 60
    assert len(said) > 50  # some calls about graphs may fail without harm
    assert not any("\n" in line for line in said)
    if sticky:  # a context that is lost is lost for the whole process
        assert any("start the program again" in line for line in said)


@pytest.mark.parametrize("cuda", CUDAS)
def test_after_a_lost_context_it_says_to_start_again_and_no_more(
    engine: Path, refused: Refused, capfd: pytest.CaptureFixture[str], cuda: str
) -> None:
    simulation = Simulation()
    with TensorRTRunner(engine, libraries=toy_libraries(simulation, cuda=cuda)) as runner:
        runner(made(1)[0])
        simulation.die()
        with refused("^CUDA gave up on Simulated GTX 1660 Ti .*; start the program again$", EdgeSegError):
            runner(made(1)[0])
        with refused("CUDA gave up on .*; start the program again$", EdgeSegError):
            list(runner.stream(made(3)))
    simulation.check_clean()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("cuda", CUDAS)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_runner_that_nobody_closes_frees_the_gpu_when_it_goes(
    engine: Path, rtx_engine: Path, cuda: str, flavour: str
) -> None:
    simulation = Simulation()
    libraries = toy_libraries(simulation, flavour=flavour, cuda=cuda, graphs=True)
    runner = TensorRTRunner(engine if flavour == "tensorrt" else rtx_engine, libraries=libraries)
    stream = runner.stream(made(5))
    next(stream)
    del runner, stream
    gc.collect()
    simulation.check_clean()


@pytest.mark.parametrize("graphs", [False, True])
def test_slots_share_the_kernels_that_tensorrt_rtx_compiles_and_the_next_run_has_them(
    tmp_path: Path, graphs: bool
) -> None:
    path = write_engine(tmp_path / "toy.engine", toy_spec(HEIGHT, WIDTH), flavour="tensorrt-rtx")
    kernels = tmp_path / "toy.engine.kernels"

    def compiled() -> int:
        simulation = Simulation()
        libraries = toy_libraries(simulation, flavour="tensorrt-rtx")
        with TensorRTRunner(path, 3, graphs, libraries=libraries) as runner:
            items = made(6)
            np.testing.assert_array_equal(list(runner.stream(items)), [wanted(item) for item in items])
        simulation.check_clean()
        return simulation.compiled

    assert compiled() == 1
    assert kernels.read_bytes() == KERNELS
    assert compiled() == 0
    kernels.write_bytes(b"of another GPU")
    assert compiled() == 1
    assert kernels.read_bytes() == KERNELS
    kernels.unlink()
    kernels.mkdir()  # where nothing can be written, it runs all the same
    assert compiled() == 1


class SourceError(Exception):
    pass


@pytest.mark.parametrize("good", range(6))
def test_what_the_source_raises_is_raised_and_the_runner_goes_on(engine: Path, good: int) -> None:
    def source() -> Iterator[Frames]:
        yield from made(good)
        raise SourceError("the camera is gone")

    simulation = Simulation(good)
    with TensorRTRunner(engine, libraries=toy_libraries(simulation)) as runner:
        with pytest.raises(SourceError, match="the camera is gone"):
            list(runner.stream(source()))
        assert not any(queue.work for queue in simulation.queues.values())  # the device is left clean
        items = made(5, seed=1)
        np.testing.assert_array_equal(list(runner.stream(items)), [wanted(item) for item in items])
    simulation.check_clean()


def test_what_the_consumer_raises_frees_everything(engine: Path) -> None:
    simulation = Simulation()

    def consume() -> None:
        with TensorRTRunner(engine, libraries=toy_libraries(simulation)) as runner:
            for _ in runner.stream(made(9)):
                raise SourceError("the disk is full")

    with pytest.raises(SourceError, match="the disk is full"):
        consume()
    simulation.check_clean()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), depth=st.integers(1, 4), left=st.integers(0, 6), right=st.integers(0, 6))
def test_streams_may_be_mixed(engine: Path, seed: int, depth: int, left: int, right: int) -> None:
    simulation = Simulation(seed)
    items = made(7, seed=seed)
    with TensorRTRunner(engine, depth, libraries=toy_libraries(simulation)) as runner:
        simulation.forbid_allocation()
        streams = [runner.stream(items[:count]) for count in (left, right)]
        results: list[list[Labels]] = [[], []]
        for turn in np.random.default_rng(seed).integers(0, 2, 20):
            results[turn].extend(labels for labels in [next(streams[turn], None)] if labels is not None)
        for stream, result in zip(streams, results, strict=True):
            result.extend(stream)
    for count, result in zip((left, right), results, strict=True):
        np.testing.assert_array_equal(np.array(result), np.array([wanted(item) for item in items[:count]]))
    simulation.check_clean()


@pytest.mark.parametrize("given", [1, 2, 5])
def test_a_runner_that_is_closed_in_the_middle_of_a_stream_says_so(engine: Path, refused: Refused, given: int) -> None:
    simulation = Simulation(given)
    runner = TensorRTRunner(engine, 3, libraries=toy_libraries(simulation))
    stream = runner.stream(made(5))
    for _ in range(given):
        next(stream)
    runner.close()
    simulation.check_clean()
    if given < 5:
        with refused("closed", EdgeSegError):
            next(stream)
    del stream
    simulation.check_clean()


def test_two_runners_take_turns_in_one_thread(engine: Path) -> None:
    simulation = Simulation()
    items = made(6)
    with (
        TensorRTRunner(engine, libraries=toy_libraries(simulation)) as one,
        TensorRTRunner(engine, libraries=toy_libraries(simulation)) as other,
    ):
        for left, right, item in zip(one.stream(items), other.stream(items), items, strict=True):
            np.testing.assert_array_equal(left, wanted(item))
            np.testing.assert_array_equal(right, wanted(item))
            np.testing.assert_array_equal(one(item), other(item))
        assert simulation.stack == []  # nobody else finds a context of ours
        # Closed in the order they were opened, which is not that of a stack.
        one.close()
        np.testing.assert_array_equal(other(items[0]), wanted(items[0]))
    simulation.check_clean()


def test_threads_share_it(engine: Path) -> None:
    simulation, items = Simulation(), made(8)
    with TensorRTRunner(engine, libraries=toy_libraries(simulation)) as runner, ThreadPoolExecutor(6) as pool:
        streams = [pool.submit(lambda: list(runner.stream(items))) for _ in range(2)]
        calls = [(item, pool.submit(runner, item)) for _ in range(5) for item in items]
        for item, call in calls:
            np.testing.assert_array_equal(call.result(PATIENCE), wanted(item))
        for stream in streams:
            for item, labels in zip(items, stream.result(PATIENCE), strict=True):
                np.testing.assert_array_equal(labels, wanted(item))
    simulation.check_clean()


def test_to_close_it_in_another_thread_is_refused_in_one_line(engine: Path) -> None:
    simulation = Simulation()
    with TensorRTRunner(engine, libraries=toy_libraries(simulation)) as runner, ThreadPoolExecutor(1) as pool:
        with pytest.raises(EdgeSegError, match="is closed by the thread that opened it"):
            pool.submit(runner.close).result(PATIENCE)
        np.testing.assert_array_equal(runner(made(1)[0]), wanted(made(1)[0]))
    simulation.check_clean()
