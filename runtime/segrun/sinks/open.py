"""Which sinks the words on the command line name."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from segdata.errors import InputError
from segdata.spec import ModelSpec
from segrun.options import RunOptions
from segrun.registry import class_at
from segrun.sinks.base import Output, Sink
from segrun.sources.base import Source
from segrun.sources.open import name_of

DEFAULT_OUTPUT = "{name}.seg.mp4"
STANDARD_OUTPUT = "-"

# The sinks, as MODULE:CLASS, which is imported when it is asked for. A new one is a file and a line here.
BY_SUFFIX = {
    ".gif": "segrun.sinks.gif:GifSink",
    ".jsonl": "segrun.sinks.json:JsonSink",
}
VIDEO = "segrun.sinks.video:VideoSink"  # every other suffix
FOLDER = "segrun.sinks.png:PngSink"
RAW = "segrun.sinks.raw:RawSink"
WINDOW = "segrun.sinks.window:WindowSink"
PREVIEW = "segrun.preview.sink:PreviewSink"


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
    fixed = [output for output in outputs if "{name}" not in output and output != STANDARD_OUTPUT]
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
        output = Output(Path(name), options, source, spec)
        if name != STANDARD_OUTPUT and output.path.resolve() == Path(source.name).resolve():
            raise InputError(f"got {name} as input and as output; name another output with -o")
        yield class_at(_place_of(name)).opened(output)
    screen = Output(Path(), options, source, spec)
    if options.window:
        yield class_at(WINDOW).opened(screen)
    if options.serve is not None:
        yield class_at(PREVIEW).opened(screen)


def _place_of(name: str) -> str:
    path = Path(name)
    if name == STANDARD_OUTPUT:
        return RAW
    if name.endswith(("/", "\\")) or path.is_dir():
        return FOLDER
    return BY_SUFFIX.get(path.suffix.lower(), VIDEO)
