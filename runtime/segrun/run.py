"""Runs one input from end to end."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction

from segdata.command_line.interrupt import Interrupts
from segdata.command_line.progress import SILENT, Progress
from segdata.errors import EdgeSegError, InputError
from segdata.text import without_password
from segdata.video.reader import AudioPacket, Decoded
from segrun.drawing.drawing import Drawing
from segrun.drawing.look import Look
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.pipeline.pipeline import NoFrameError, Pipeline
from segrun.refinement import Refinement
from segrun.runners.base import Runner
from segrun.sinks.base import Items, Sink
from segrun.sinks.open import discard, open_sinks, output_names
from segrun.sources.base import Source
from segrun.sources.excerpt import excerpt
from segrun.sources.open import open_source


def run(
    options: RunOptions,
    runner: Runner,
    progress: Progress = SILENT,
    *,
    on_address: Callable[[str], None] = lambda _: None,
    interrupts: Interrupts | None = None,
    beside: Sequence[Sink] = (),
    plays: bool = False,
    stays: bool = False,
) -> RunReport:
    """Segment the one input of `options` with `runner` into their outputs; Ctrl-C ends it cleanly.

    `progress` counts frames, from another thread; `on_address` is told where the preview can be seen. `interrupts` are
    those of a block the caller is in. `beside` are sinks of the caller's own, besides those of the outputs. A file that
    `plays` comes at its own speed, as the page's viewers want it; one that `stays` waits for them at its end.

    Raises InputError if there is not one input, it cannot be read or an output cannot be written, and whatever a stage
    raises; what was written before plays, and the error says how much that is.
    """
    if len(options.inputs) != 1:
        raise InputError(f"got {len(options.inputs)} inputs, need one a run; run them one after the other")
    (word,) = options.inputs
    _check_confidence(options, runner)
    if options.smooth % 2 == 0:
        raise InputError(f"got --smooth {options.smooth}, need an odd number: as many frames before as after")
    refinement = Refinement.asked(options, runner.spec)
    names = output_names(options, word)
    with nullcontext(interrupts) if interrupts else Interrupts() as heard:
        source = open_source(word, options)
        if source.expected_frames == 1:  # nothing follows that could vote
            refinement = replace(refinement, smooth=1)
        try:
            with heard.held():
                sinks = [*open_sinks(options, names, source, refinement.spec), *beside]
                try:
                    items: Items = excerpt(source, options.start, options.duration, options.every)
                    if plays:
                        for sink in sinks:
                            items = sink.played(items, lambda: _again(options, word), stays)
                    drawing = Drawing(refinement.spec, Look.asked(options))
                    pipeline = Pipeline(source, runner, sinks, drawing, items, refinement, one_by_one=plays)
                    for sink in sinks:
                        sink.follow(pipeline.counters)
                    for address in filter(None, (sink.address for sink in sinks)):
                        on_address(address)
                    progress.start(None if plays else _expected(source, options))
                except BaseException:
                    discard(sinks)
                    raise
                heard.take(pipeline.stop, pipeline.abandon)
                return _finished(pipeline, progress)
        except NoFrameError:
            if options.start == 0 or source.corrupt_packets:
                raise
            shown = without_password(word)
            raise InputError(f"{shown}: ends before {options.start:g} seconds; give an earlier --start") from None
        finally:
            source.close()


def _again(options: RunOptions, word: str) -> Iterator[Decoded | AudioPacket]:
    """Read a file once more from its beginning."""
    source = open_source(word, options)
    try:
        yield from excerpt(source, options.start, options.duration, options.every)
    finally:
        source.close()


def _check_confidence(options: RunOptions, runner: Runner) -> None:
    """Raise InputError if an option needs a confidence that the model does not give."""
    asking = {
        f"--min-confidence {options.min_confidence:g}": options.min_confidence > 0,
        "--view confidence": options.view == "confidence",
        "--mask-values confidence": options.mask_values == "confidence",
    }
    asked = [name for name, wanted in asking.items() if wanted]
    if asked and not runner.has_confidence:
        raise InputError(
            f"got {asked[0]}, but the model gives no confidence; export it with seg-export --confidence and "
            "name the file with --model"
        )


def _finished(pipeline: Pipeline, progress: Progress) -> RunReport:
    """Run, and add to an error what was kept."""
    try:
        return pipeline.run(progress.advance)
    except EdgeSegError as error:
        report = pipeline.report()
        if not (report.frames_shown and report.outputs):
            raise
        kept = ", ".join(map(str, report.outputs))
        raise type(error)(f"{error}; {kept} has the {report.frames_shown} frames before that") from error


def _expected(source: Source, options: RunOptions) -> int | None:
    """Return how many frames an excerpt of a source has, at a steady rate; None if the source does not say."""
    frames = source.expected_frames
    if frames is None:
        return None
    frames -= math.ceil(Fraction(str(options.start)) * source.rate)
    if options.duration is not None:
        frames = min(frames, math.ceil(Fraction(str(options.duration)) * source.rate))
    return math.ceil(max(0, frames) / options.every)
