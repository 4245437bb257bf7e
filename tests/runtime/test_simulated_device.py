"""The simulated GPU is strict: it catches each wrong use of a GPU that works by luck on a real one."""

import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.engine_files import toy_spec, write_engine
from helpers.simulated_device import Simulation, Violation
from helpers.simulated_tensorrt import libraries_of, toy_program
from segrun.runners.base import Frames, Inferred
from segrun.runners.ring import Ring
from segrun.runners.tensorrt import runner as tensorrt_runner
from segrun.runners.tensorrt.device import Device
from segrun.runners.tensorrt.engine import TensorRTContext
from segrun.runners.tensorrt.runner import TensorRTRunner
from segrun.runners.tensorrt.slot import TensorRTSlot
from segrun.runners.tensorrt.stream import CudaStream

HEIGHT, WIDTH = 3, 4


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return write_engine(tmp_path / "toy.fp32.sm75.engine", toy_spec(HEIGHT, WIDTH))


def faults(engine: Path, seed: int, lazy: bool, cuda: str = "pycuda") -> list[str]:
    """Return what is wrong with a stream of twelve frames at depth 3, given up after the ninth."""
    simulation = Simulation(seed, lazy)
    libraries = libraries_of(simulation, lambda plan: toy_program(1, HEIGHT, WIDTH), cuda=cuda)
    items = np.random.default_rng(seed).integers(0, 256, (12, 1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    found = []
    try:
        with TensorRTRunner(engine, 3, libraries=libraries) as runner:
            simulation.forbid_allocation()
            for index, labels in enumerate(runner.stream(iter(items))):
                if not np.array_equal(labels, toy_program(1, HEIGHT, WIDTH).compute(items[index])):
                    found.append("wrong labels")
                if index == 8:
                    break
        simulation.check_clean()
    except Violation as violation:
        found.append(str(violation))
    return found


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("cuda", ["pycuda", "cuda-bindings"])
def test_the_runner_as_it_is_passes(engine: Path, seed: int, lazy: bool, cuda: str) -> None:
    assert faults(engine, seed, lazy, cuda) == []


def reads_before_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CudaStream, "wait", lambda self: None)


def never_records_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CudaStream, "mark", lambda self: None)


def records_the_event_before_the_copy_out(monkeypatch: pytest.MonkeyPatch) -> None:
    copy_out = CudaStream.copy_out

    def mark_first(self: CudaStream, *arguments: Any) -> None:  # noqa: ANN401
        self._done.record(self._stream)
        copy_out(self, *arguments)

    monkeypatch.setattr(CudaStream, "copy_out", mark_first)
    monkeypatch.setattr(CudaStream, "mark", lambda self: None)


def shares_a_page_locked_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next frame overwrites the one before it, which may not have been copied yet."""
    pinned = Device.pinned

    def shared(self: Device, shape: tuple[int, ...]) -> Frames:
        kept: dict[tuple[int, ...], Frames] = self.__dict__.setdefault("kept", {})
        if shape not in kept:
            kept[shape] = pinned(self, shape)
        return kept[shape]

    monkeypatch.setattr(Device, "pinned", shared)


def shares_device_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Device.memory

    def shared(self: Device, size: int) -> Any:  # noqa: ANN401
        kept = self.__dict__.setdefault("kept", {})
        if size not in kept:
            kept[size] = memory(self, size)
        return kept[size]

    monkeypatch.setattr(Device, "memory", shared)


def gives_a_slot_back_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot's buffers are written for the next frame while this one is still under way."""

    def stream(self: Ring, frames: Iterable[Frames]) -> Iterator[Inferred]:
        in_flight = []
        for item in frames:
            slot = self._free.popleft()
            slot.submit(item)
            self._free.append(slot)
            in_flight.append(slot)
            if len(in_flight) == 4:
                yield in_flight.pop(0).result()

    monkeypatch.setattr(Ring, "stream", stream)
    monkeypatch.setattr(CudaStream, "drain", lambda self: None)


def returns_the_page_locked_buffer_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    result = TensorRTSlot.result

    def uncopied(self: TensorRTSlot) -> Inferred:
        result(self)
        return Inferred(*self._host_outputs)

    class Late(Ring):
        """Looks at the labels one frame later, as a consumer that keeps them does."""

        def stream(self, frames: Iterable[Frames]) -> Generator[Inferred, None, None]:
            late = None
            for found in super().stream(frames):
                if late is not None:
                    yield late
                late = found

    monkeypatch.setattr(TensorRTSlot, "result", uncopied)
    monkeypatch.setattr(tensorrt_runner, "Ring", Late)


def copies_from_pageable_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    submit = TensorRTSlot.submit

    def pageable(self: TensorRTSlot, frames: Frames) -> None:
        self._host_frames = frames
        submit(self, frames)

    monkeypatch.setattr(TensorRTSlot, "submit", pageable)


def leaves_the_context_current(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def active(self: Device) -> Iterator[None]:
        self._context.push()
        yield

    monkeypatch.setattr(Device, "active", active)


def has_no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def active(self: Device) -> Iterator[None]:
        yield

    monkeypatch.setattr(Device, "active", active)


def leaks_device_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "memory", lambda self, size: self._driver.mem_alloc(size))


def leaks_page_locked_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "pinned", lambda self, shape: self._driver.pagelocked_empty(shape, np.uint8))


def keeps_streams_and_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CudaStream, "_release", lambda self: None)


def keeps_execution_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TensorRTContext, "release", lambda self: None)


def uses_one_execution_context_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[Any] = []
    enqueue = TensorRTContext.enqueue

    def shared(self: TensorRTContext, stream: int) -> None:
        first.append(self._context)
        self._context = first[0]
        enqueue(self, stream)

    def release(self: TensorRTContext) -> None:
        self._context = None
        first.clear()

    monkeypatch.setattr(TensorRTContext, "enqueue", shared)
    monkeypatch.setattr(TensorRTContext, "release", release)


def allocates_for_each_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    submit = TensorRTSlot.submit

    def allocating(self: TensorRTSlot, frames: Frames) -> None:
        with self._device.active():
            self._host_frames = self._device.pinned(frames.shape)
        submit(self, frames)

    monkeypatch.setattr(TensorRTSlot, "submit", allocating)


def closes_with_work_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TensorRTSlot, "drain", lambda self: None)
    original = Device.close

    def close(self: Device) -> None:
        if self._context is not None:
            synchronize = self._driver.Context.synchronize
            self._driver.Context.synchronize = staticmethod(lambda: None)
            try:
                original(self)
            finally:
                self._driver.Context.synchronize = synchronize

    monkeypatch.setattr(Device, "close", close)


def frees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "close", lambda self: None)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (reads_before_it_waits, "wrong labels"),
        (never_records_the_event, "wrong labels"),
        (records_the_event_before_the_copy_out, "wrong labels"),
        (shares_a_page_locked_buffer, "wrong labels"),
        (shares_device_memory, "wrong labels"),
        (gives_a_slot_back_too_early, "wrong labels"),
        (returns_the_page_locked_buffer_itself, "wrong labels"),
        (copies_from_pageable_memory, "not page-locked"),
        (leaves_the_context_current, "a context is still current"),
        (has_no_context, "without a current context"),
        (leaks_device_memory, "device memory was not freed"),
        (leaks_page_locked_memory, "page-locked memory was not freed"),
        (keeps_streams_and_events, "detached with .*a stream, an event"),
        (keeps_execution_contexts, "detached with .*an execution context"),
        (uses_one_execution_context_for_all, "an execution context is used in two streams at once"),
        (allocates_for_each_frame, "made after the start"),
        (closes_with_work_under_way, "freed while work is under way"),
        (frees_nothing, "a context was not freed"),
    ],
)
@pytest.mark.parametrize("cuda", ["pycuda", "cuda-bindings"])
def test_each_wrong_runner_is_caught(
    engine: Path,
    monkeypatch: pytest.MonkeyPatch,
    cuda: str,
    broken: Callable[[pytest.MonkeyPatch], None],
    said: str,
) -> None:
    with monkeypatch.context() as patch:
        broken(patch)
        patch.setattr(TensorRTRunner, "_known", lambda self, labels: labels)  # wrong ones are to be seen here
        late = [any(re.search(said, fault) for fault in faults(engine, seed, True, cuda)) for seed in range(8)]
        any_order = [any(re.search(said, fault) for fault in faults(engine, seed, False, cuda)) for seed in range(16)]
    assert sum(late) >= 5
    assert sum(any_order) >= 2


def test_closing_in_another_thread_is_caught(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation()
    libraries = libraries_of(simulation, lambda plan: toy_program(1, HEIGHT, WIDTH))
    with TensorRTRunner(engine, libraries=libraries) as runner, monkeypatch.context() as patch:
        patch.setattr(Device, "check_thread", lambda self: None)
        caught: list[BaseException] = []

        def use() -> None:
            try:
                runner.close()
            except Violation as violation:
                caught.append(violation)

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    assert "another thread" in str(caught[0])


def test_waiting_for_what_cannot_happen_is_caught() -> None:
    simulation = Simulation()
    with pytest.raises(Violation, match="can never happen"):
        simulation.finish(lambda: False)


def test_a_source_that_changes_before_the_copy_is_seen_as_changed() -> None:
    simulation = Simulation(lazy=True)
    cuda = simulation.driver
    context = cuda.Device(0).make_context()
    stream, host, memory = cuda.Stream(), cuda.pagelocked_empty((4,), np.uint8), cuda.mem_alloc(4)
    host[:] = 1
    cuda.memcpy_htod_async(memory, host, stream)
    host[:] = 2
    cuda.memcpy_dtoh_async(host, memory, stream)
    stream.synchronize()
    assert host.tolist() != [1, 1, 1, 1]
    memory.free()
    host.base.free()
    del stream
    cuda.Context.pop()
    context.detach()
    simulation.check_clean()


def test_streams_take_turns_in_any_order() -> None:
    """Two copies to one place: which comes last depends on the seed, unless one stream waits for the other."""
    ends = set()
    for seed in range(20):
        simulation = Simulation(seed)
        cuda = simulation.driver
        context = cuda.Device(0).make_context()
        memory, result = cuda.mem_alloc(1), cuda.pagelocked_empty((1,), np.uint8)
        sources = [cuda.pagelocked_empty((1,), np.uint8) for _ in range(2)]
        streams = [cuda.Stream() for _ in sources]
        for value, (source, stream) in enumerate(zip(sources, streams, strict=True)):
            source[:] = value
            cuda.memcpy_htod_async(memory, source, stream)
        context.synchronize()
        cuda.memcpy_dtoh_async(result, memory, streams[0])
        streams[0].synchronize()
        ends.add(int(result[0]))
    assert ends >= {0, 1}
