"""Runs several inputs at the same time: `seg-run A B C --together`, or on several GPUs, `--device all`."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from segdata.command_line.interrupt import Interrupts
from segdata.command_line.progress import Progress
from segdata.errors import InputError
from segdata.spec import ModelSpec
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.preview.metrics import FollowedSink, RunMetrics
from segrun.preview.server import Server
from segrun.preview.wall import Wall
from segrun.refinement import Refinement
from segrun.run import run
from segrun.runners.base import Runner
from segrun.runners.shared import SharedRunner, Turns
from segrun.sinks.open import STANDARD_OUTPUT, output_names
from segrun.sources.open import name_of

_SHORT = 0.1  # seconds: signals are not handled during a long wait


@dataclass
class InputRun:
    """The run of one input: `word` as typed, `name` as shown to the user, and its report or the error that ended it.

    `beside` keeps its counters, even after an error.
    """

    word: str
    name: str
    options: RunOptions
    beside: FollowedSink
    interrupts: Interrupts = field(default_factory=Interrupts)
    report: RunReport | None = None
    error: BaseException | None = None


def run_together(
    options: RunOptions,
    runners: Sequence[Runner],
    progress: Progress,
    interrupts: Interrupts,
    *,
    on_address: Callable[[str], None] = lambda _: None,
    on_failure: Callable[[InputRun], None] = lambda _: None,
) -> list[InputRun]:
    """Run all inputs of `options` at once, or, without `together`, one at a time on each of `runners`.

    Inputs that wait for the same runner are served in turn, so that each live one has the same share of it. A failing
    input does not end the others: `on_failure` is called in its thread. `progress` counts the frames of all.
    Returns them in the order of the inputs.

    Raises InputError, before anything starts, if an output or an address cannot be used, and KeyboardInterrupt after a
    second Ctrl-C.
    """
    if STANDARD_OUTPUT in options.outputs and len(options.inputs) > 1:
        raise InputError(f"got {len(options.inputs)} inputs for one standard output; name files, as {{name}}.jsonl")
    names = _distinct(options.inputs)
    outputs = [output_names(options, word, name) for word, name in zip(options.inputs, names, strict=True)]
    alone = replace(options, serve=None, metrics=None)
    turns = [Turns(runner.in_flight) for runner in runners]
    with _watched(options, runners[0].spec, on_address) as beside:
        runs = [
            InputRun(word, name, replace(alone, inputs=(word,), outputs=own), beside(name))
            for word, name, own in zip(options.inputs, names, outputs, strict=True)
        ]
        progress.start(None)
        counted = _Counted(progress)
        waiting = deque(runs)

        def work(index: int) -> None:
            shared = SharedRunner(runners[index % len(runners)], turns[index % len(runners)])
            with suppress(IndexError):  # no input is left
                while True:
                    _run_one(waiting.popleft(), shared, counted, on_failure)

        def tell() -> None:
            waiting.clear()
            for each in runs:
                each.interrupts.pass_on()

        workers = len(runs) if options.together else min(len(runs), len(runners))
        threads = [
            threading.Thread(target=work, args=(index,), name=f"segrun-{index}", daemon=True)
            for index in range(workers)
        ]
        with interrupts.held():
            for thread in threads:
                thread.start()
            interrupts.take(tell, tell)
            for thread in threads:
                while thread.is_alive():
                    thread.join(_SHORT)
    for each in runs:
        if isinstance(each.error, KeyboardInterrupt):
            raise each.error
    return runs


def _run_one(each: InputRun, runner: Runner, progress: Progress, on_failure: Callable[[InputRun], None]) -> None:
    try:
        each.report = run(each.options, runner, progress, interrupts=each.interrupts, beside=[each.beside])
    except BaseException as error:  # ends only this input
        each.error = error
        if not isinstance(error, KeyboardInterrupt):
            on_failure(each)
    finally:
        each.beside.discard()


@contextmanager
def _watched(
    options: RunOptions, spec: ModelSpec, on_address: Callable[[str], None]
) -> Iterator[Callable[[str], FollowedSink]]:
    """Start the servers of `--serve` and `--metrics`, and yield a function that makes the sink which feeds them."""
    metrics = RunMetrics()
    wall: Wall | None = None
    server: Server | None = None
    try:
        if options.serve is not None:
            wall = Wall(options.serve, options.token, Refinement.asked(options, spec).spec, metrics)
            on_address(wall.address)
        if options.metrics is not None:
            server = Server(options.metrics, options.token, metrics.text)
            on_address(server.url_of("metrics"))
        yield lambda name: wall.sink(name) if wall else FollowedSink(metrics, name)
    finally:
        if wall is not None:
            wall.close()
        if server is not None:
            server.close()


def _distinct(words: Sequence[str]) -> list[str]:
    """Return a name for each input; equal names are numbered in the order of the inputs."""
    names = [name_of(word) for word in words]
    numbers = [names[: index + 1].count(name) for index, name in enumerate(names)]
    return [f"{name}-{number}" if names.count(name) > 1 else name for name, number in zip(names, numbers, strict=True)]


class _Counted:
    """Counts the frames of several runs in one progress, whose total is unknown."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()

    def start(self, total: int | None, done: int = 0) -> None:
        """Do nothing: the progress was started for all inputs at once."""

    def advance(self, note: str = "") -> None:
        """Count one frame."""
        with self._lock:
            self._progress.advance(note)
