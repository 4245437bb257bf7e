"""Threads of many runs: used again within a block, gone after it."""

import threading

import pytest

from segrun.pipeline.threads import kept_threads, stage


def done_in(count: int) -> set[threading.Thread]:
    """Run two stages at the same time, `count` times one after the other; return their threads."""
    seen = set()
    for _ in range(count):
        both = threading.Barrier(2)

        def work(both: threading.Barrier = both) -> None:
            both.wait(10)
            seen.add(threading.current_thread())

        stages = [stage(work, name) for name in ("one", "other")]
        for each in stages:
            each.start()
        for each in stages:
            each.join(10)
            assert not each.is_alive()
    return seen


def test_threads_are_kept_within_the_block_alone() -> None:
    assert len(done_in(20)) == 40
    with kept_threads():
        with kept_threads():
            inner = done_in(20)
        assert len(inner) == 2
        assert done_in(5) == inner
    assert not any(thread.is_alive() for thread in inner)
    assert len(done_in(5)) == 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_work_that_raises_is_done_and_its_thread_is_not_used_again() -> None:
    def fail() -> None:
        failed.append(threading.current_thread())
        raise SystemError

    failed: list[threading.Thread] = []
    with kept_threads():
        broken = stage(fail, "broken")
        broken.start()
        broken.join(10)
        assert not broken.is_alive()
        failed[0].join(10)  # pytest hears of what was raised when the thread ends, which is after its work is done
        assert not done_in(3) & set(failed)
