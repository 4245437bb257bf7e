"""Finds the sinks for what the user names as outputs."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from segdata.addresses import without_password
from segdata.errors import InputError
from segdata.spec import ModelSpec
from segrun.options import RunOptions
from segrun.sinks.base import Sink
from segrun.sources.base import Source
from segrun.sources.open import FOLDER, IMAGES, kind_of, name_of

NONE, STANDARD_OUTPUT, ANY_IMAGE, VIDEO = "none", "-", "{suffix}", "video"

SINKS: Final = {
    STANDARD_OUTPUT: "segrun.sinks.raw",
    "/": "segrun.sinks.png",
    ".jsonl": "segrun.sinks.json",
    ".gif": "segrun.sinks.gif",
    **dict.fromkeys((*IMAGES, ANY_IMAGE), "segrun.sinks.image"),
    VIDEO: "segrun.sinks.video",
    "window": "segrun.sinks.window",
    "serve": "segrun.preview.sink",
}
"""The module whose `open_sink` opens what ends so. A new sink is a line here; VIDEO is for all other names."""


def output_names(options: RunOptions, word: str) -> tuple[str, ...]:
    """Return where the results of the input `word`, one of `options.inputs`, go; `{name}` is its name.

    In names of images, `{frame}` is left for the name of each frame, and of a folder's images `{name}` is that, too.
    Raises InputError if several inputs would write the same file.
    """
    outputs = options.outputs or _default_outputs(options, word)
    if NONE in outputs:
        if len(outputs) > 1:
            raise InputError(f"got the outputs {', '.join(outputs)}; need either none or others")
        return outputs
    fixed = [output for output in outputs if "{name}" not in output and output != STANDARD_OUTPUT]
    if fixed and len(options.inputs) > 1:
        raise InputError(f"got {len(options.inputs)} inputs but one output {fixed[0]}; put {{name}} into it")
    name, folder = name_of(word), kind_of(word) == FOLDER
    if any("{name}" in output for output in outputs):
        twins = [without_password(other) for other in options.inputs if _has_name(other, name)]
        if len(twins) > 1:
            raise InputError(
                f"got {twins[0]} and {twins[1]}, whose results would have one name; rename one, or run them apart"
            )
    of_frames = {output for output in outputs if folder and _ending(output) in IMAGES and "{frame}" not in output}
    return tuple(output.replace("{name}", "{frame}" if output in of_frames else name) for output in outputs)


def open_sinks(options: RunOptions, names: Sequence[str], source: Source, spec: ModelSpec) -> list[Sink]:
    """Return the sinks for the outputs `names`, and the window and the preview if asked for.

    If one cannot be opened, those opened before are discarded and its InputError is raised.
    """
    wanted = [(_ending(name), name) for name in names if name != NONE]
    wanted += [("window", "")] * options.window + [("serve", "")] * (options.serve is not None)
    sinks: list[Sink] = []
    try:
        for ending, name in wanted:
            if name and name != STANDARD_OUTPUT and Path(name).resolve() == Path(source.name).resolve():
                raise InputError(f"got {name} as input and as output; name another output with -o")
            module = import_module(SINKS[ending])  # only now: a browser's page and a window need more than a file
            sinks.append(cast("Sink", module.open_sink(name, options, source, spec)))
    except BaseException:
        discard(sinks)
        raise
    return sinks


def discard(sinks: Iterable[Sink]) -> None:
    """Let go of sinks that no pipeline has."""
    for sink in sinks:
        sink.discard()


def _default_outputs(options: RunOptions, word: str) -> tuple[str, ...]:
    """Return what is written where no output is named: a photo for a photo, a folder for a folder, else a video."""
    if options.window or options.serve is not None:
        return (NONE,)
    kind = kind_of(word)
    if kind in IMAGES:
        return (f"{{name}}.seg{Path(word).suffix}",)
    return ("{name}.seg/{frame}" + ANY_IMAGE,) if kind == FOLDER else ("{name}.seg.mp4",)


def _has_name(word: str, name: str) -> bool:
    try:
        return name_of(word) == name
    except InputError:  # it is told when it is that input's turn
        return False


def _ending(name: str) -> str:
    """Return the key of SINKS for an output's name; raise InputError for an address."""
    if "://" in name:
        raise InputError(f"{without_password(name)}: results go to files, not to addresses; need a name like out.mp4")
    if name == STANDARD_OUTPUT:
        return STANDARD_OUTPUT
    if name.endswith(("/", "\\")) or Path(name).is_dir():
        return "/"
    return next((ending for ending in SINKS if ending[0] in ".{" and name.lower().endswith(ending)), VIDEO)
