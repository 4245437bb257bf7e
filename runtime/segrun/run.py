"""Runs one input from end to end."""

from collections.abc import Callable
from contextlib import nullcontext

from segdata.addresses import without_password
from segdata.errors import EdgeSegError, InputError
from segdata.progress import SILENT, Progress
from segrun.drawing.drawing import Drawing
from segrun.interrupt import Interrupts
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.pipeline.pipeline import NoFrameError, Pipeline
from segrun.runners.base import Runner
from segrun.sinks.open import discard, open_sinks, output_names
from segrun.sources.excerpt import excerpt
from segrun.sources.open import open_source


def run(
    options: RunOptions,
    runner: Runner,
    progress: Progress = SILENT,
    *,
    on_address: Callable[[str], None] = lambda _: None,
    interrupts: Interrupts | None = None,
) -> RunReport:
    """Segment the one input of `options` with `runner` into their outputs; Ctrl-C ends it in good order.

    `progress` counts frames, from another thread; `on_address` is told where the preview can be seen. `interrupts` are
    those of a block the caller is in.

    Raises InputError if there is not one input, it cannot be read or an output cannot be written, and whatever a stage
    raises; what was written before plays, and the error says how much that is.
    """
    if len(options.inputs) != 1:
        raise InputError(f"got {len(options.inputs)} inputs, need one a run; run them one after the other")
    (word,) = options.inputs
    _check_confidence(options, runner)
    names = output_names(options, word)
    with nullcontext(interrupts) if interrupts else Interrupts() as heard:
        source = open_source(word, options)
        try:
            with heard.held():
                sinks = open_sinks(options, names, source, runner.spec)
                try:
                    items = excerpt(source, options.start, options.duration, options.every)
                    drawing = Drawing(runner.spec, options.view, options.alpha, options.legend, options.show_fps)
                    pipeline = Pipeline(source, runner, sinks, drawing, items, options.min_confidence)
                    for sink in sinks:
                        sink.follow(pipeline.counters)
                    for address in filter(None, (sink.address for sink in sinks)):
                        on_address(address)
                    progress.start(_expected(source.expected_frames, options))
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
            f"got {asked[0]}, but the model does not say how sure it is; export it with seg-export --confidence and "
            "name the file with --model"
        )


def _finished(pipeline: Pipeline, progress: Progress) -> RunReport:
    """Run, and have an error say what was kept."""
    try:
        return pipeline.run(progress.advance)
    except EdgeSegError as error:
        report = pipeline.report()
        if not (report.frames_shown and report.outputs):
            raise
        kept = ", ".join(map(str, report.outputs))
        raise type(error)(f"{error}; {kept} has the {report.frames_shown} frames before that") from error


def _expected(frames: int | None, options: RunOptions) -> int | None:
    """Return how many of a source's frames an excerpt has, None if nobody knows."""
    if frames is None or options.start or options.duration is not None:
        return None
    return -(-frames // options.every)
