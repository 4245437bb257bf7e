"""Which sinks the words on the command line name."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from segdata.errors import InputError
from segdata.spec import ModelSpec
from segrun.options import RunOptions
from segrun.sinks.base import Sink
from segrun.sources.base import Source
from segrun.sources.open import name_of

DEFAULT_OUTPUT = "{name}.seg.mp4"


def output_names(options: RunOptions, name: str) -> tuple[str, ...]:
    """Return where the results of the input `name` go; `{name}` is filled in.

    Raises InputError if several inputs would write the same file.
    """
    shown_elsewhere = options.window or options.serve is not None
    outputs = options.outputs or (() if shown_elsewhere else (DEFAULT_OUTPUT,))
    if "none" in outputs:
        if len(outputs) > 1:
            raise InputError(f"got the outputs {', '.join(outputs)}; need either none or others")
        return ()
    fixed = [output for output in outputs if "{name}" not in output and output != "-"]
    if fixed and len(options.inputs) > 1:
        raise InputError(f"got {len(options.inputs)} inputs but one output {fixed[0]}; put {{name}} into it")
    namesakes = [word for word in options.inputs if name_of(word) == name]
    if len(namesakes) > 1 and any("{name}" in output for output in outputs):
        raise InputError(
            f"got {' and '.join(namesakes[:2])}, whose results would have one name; rename one, or run them apart"
        )
    return tuple(output.replace("{name}", name) for output in outputs)


def open_sinks(options: RunOptions, names: Sequence[str], source: Source, spec: ModelSpec) -> list[Sink]:
    """Return the sinks for the outputs `names`, and the window and the preview if asked for.

    If one cannot be opened, those opened before are discarded and its InputError is raised.
    """
    sinks: list[Sink] = []
    try:
        sinks.extend(_made(options, names, source, spec))
    except BaseException:
        discard(sinks)
        raise
    return sinks


def discard(sinks: Iterable[Sink]) -> None:
    """Let go of sinks that no pipeline has."""
    for sink in sinks:
        sink.discard()


def _made(options: RunOptions, names: Sequence[str], source: Source, spec: ModelSpec) -> Iterator[Sink]:
    for name in names:
        yield _sink_for(name, options, source, spec)
    if options.window:
        from segrun.sinks.window import WindowSink

        yield WindowSink(f"edgeseg: {source.name}")
    if options.serve is not None:
        from segrun.preview.sink import PreviewSink

        yield PreviewSink(options.serve, options.token, spec.class_names, spec.colours)


def _sink_for(name: str, options: RunOptions, source: Source, spec: ModelSpec) -> Sink:
    path = Path(name)
    if name == "-":
        from segrun.sinks.raw import RawSink

        return RawSink(sys.stdout.buffer)
    if path.resolve() == Path(source.name).resolve():
        raise InputError(f"got {name} as input and as output; name another output with -o")
    if name.endswith(("/", "\\")) or path.is_dir():
        from segrun.sinks.png import PngSink

        return PngSink(path, options.mask_values, spec.colours)
    if path.suffix == ".jsonl":
        from segrun.sinks.json import JsonSink

        return JsonSink(path)
    if path.suffix == ".gif":
        from segrun.sinks.gif import GifSink

        return GifSink(path, source.rate)
    from segrun.sinks.video import VideoSink

    return VideoSink(path, source, options.encoder, options.start, options.audio)
