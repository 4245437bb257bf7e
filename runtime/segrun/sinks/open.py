"""Chooses and opens the sinks that the command line names."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from segdata.errors import InputError
from segdata.spec import ModelSpec
from segdata.text import without_password
from segrun.options import RunOptions
from segrun.registry import class_at
from segrun.sinks.base import Output, Sink
from segrun.sources.base import Source
from segrun.sources.image import FILE as IMAGE
from segrun.sources.image import FOLDER as FOLDER_OF_IMAGES
from segrun.sources.image import SUFFIXES as IMAGES
from segrun.sources.open import kind_of, name_of

STANDARD_OUTPUT, NONE = "-", "none"

COCO = "segrun.sinks.annotations:CocoSink"

# The sinks, as MODULE:CLASS, imported on first use. A new one is a file and a line here.
BY_SUFFIX = {
    ".labels.mkv": "segrun.sinks.labels:LabelSink",
    ".coco.json": COCO,
    ".gif": "segrun.sinks.gif:GifSink",
    ".jsonl": "segrun.sinks.json:JsonSink",
    **dict.fromkeys(IMAGES, "segrun.sinks.image:ImageSink"),
}
IMAGE_AS_GIVEN = "{suffix}"  # at the end of a name: the kind of image that comes in
VIDEO = "segrun.sinks.video:VideoSink"  # every other suffix
FOLDER = "segrun.sinks.png:PngSink"
FOLDER_OF_ANNOTATIONS = "segrun.sinks.annotations:AnnotationSink"  # of every --mask-format but png
RAW = "segrun.sinks.raw:RawSink"
WINDOW = "segrun.sinks.window:WindowSink"
PREVIEW = "segrun.preview.sink:PreviewSink"
METRICS = "segrun.preview.metrics:MetricsSink"

_OF_MASKS = (FOLDER, FOLDER_OF_ANNOTATIONS, COCO)


def output_names(options: RunOptions, word: str, name: str | None = None) -> tuple[str, ...]:
    """Return where the results of the input `word`, one of `options.inputs`, go; `{name}` is its name.

    `name`, unique among the inputs, replaces it if given. In names of images `{frame}` is left
    for the name of each frame; of a folder's images `{name}` is that, too.

    Raises InputError if several inputs would write the same file.
    """
    outputs = options.outputs or _default_outputs(options, word)
    if NONE in outputs:
        if len(outputs) > 1:
            raise InputError(f"got the outputs {', '.join(outputs)}; need either none or others")
        return outputs
    check_distinct(outputs)
    fixed = [output for output in outputs if "{name}" not in output and output != STANDARD_OUTPUT]
    if fixed and len(options.inputs) > 1:
        raise InputError(f"got {len(options.inputs)} inputs but one output {fixed[0]}; put {{name}} into it")
    if name is None and any("{name}" in output for output in outputs):
        name = name_of(word)
        twins = [without_password(other) for other in options.inputs if _has_name(other, name)]
        if len(twins) > 1:
            raise InputError(
                f"got {twins[0]} and {twins[1]}, whose results would have one name; rename one, or run them apart"
            )
    name = name or name_of(word)
    return tuple(_filled(output, name, kind_of(word) is FOLDER_OF_IMAGES) for output in outputs)


def check_distinct(outputs: Sequence[str]) -> None:
    """Raise InputError for an output that is named twice, however it is spelled."""
    seen = set()
    for output in outputs:
        place = os.path.normpath(output)
        if place in seen:
            raise InputError(f"got the output {output} twice; name each once")
        seen.add(place)


def holds_masks(output: str, options: RunOptions) -> bool:
    """Return whether an output holds masks, which `mask_format`, `mask_values` and `with_images` are for."""
    with suppress(InputError):  # reported when the output is opened
        return _place_of(output, options) in _OF_MASKS
    return False


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
    """Discard sinks that no pipeline has."""
    for sink in sinks:
        sink.discard()


def _made(options: RunOptions, names: Sequence[str], source: Source, spec: ModelSpec) -> Iterator[Sink]:
    for name in names:
        if name == NONE:
            continue
        if "://" in name:
            shown = without_password(name)
            raise InputError(f"{shown}: results go to files, not to addresses; need a name like out.mp4")
        output = Output(Path(name), options, source, spec)
        if name != STANDARD_OUTPUT and output.path.resolve() == Path(source.name).resolve():
            raise InputError(f"got {name} as input and as output; name another output with -o")
        yield class_at(_place_of(name, options)).opened(output)
    screen = Output(Path(), options, source, spec)
    if options.window:
        yield class_at(WINDOW).opened(screen)
    if options.serve is not None:
        yield class_at(PREVIEW).opened(screen)
    if options.metrics is not None:
        yield class_at(METRICS).opened(screen)


def _place_of(name: str, options: RunOptions) -> str:
    path = Path(name)
    if name == STANDARD_OUTPUT:
        return RAW
    if name.endswith(("/", "\\")) or path.is_dir():
        return FOLDER if options.mask_format == "png" else FOLDER_OF_ANNOTATIONS
    if name.endswith(IMAGE_AS_GIVEN):
        return BY_SUFFIX[".png"]
    if not path.suffix:
        raise InputError(f"{name}: a name without suffix; write {name}/ for a folder of masks, {name}.mp4 for a video")
    return next((place for suffix, place in BY_SUFFIX.items() if name.lower().endswith(suffix)), VIDEO)


def _default_outputs(options: RunOptions, word: str) -> tuple[str, ...]:
    """Return the default output: a photo for a photo, a folder for a folder, else a video."""
    if options.window or options.serve is not None:
        return (NONE,)
    kind = kind_of(word)
    if kind is IMAGE:
        return (f"{{name}}.seg{Path(word).suffix}",)
    return ("{name}.seg/{frame}" + IMAGE_AS_GIVEN,) if kind is FOLDER_OF_IMAGES else ("{name}.seg.mp4",)


def _filled(output: str, name: str, folder: bool) -> str:
    """Return an output's name with the input's name in it; each image of a folder has one of its own."""
    of_frame = folder and output.lower().endswith(IMAGES) and "{frame}" not in output
    return output.replace("{name}", "{frame}" if of_frame else name)


def _has_name(word: str, name: str) -> bool:
    try:
        return name_of(word) == name
    except InputError:  # reported when it is that input's turn
        return False
