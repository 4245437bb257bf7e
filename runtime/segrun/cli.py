"""seg-run: video + artefact -> segmented video."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from segdata.command_line.command import Command
from segdata.command_line.interrupt import Interrupts
from segdata.command_line.option import with_options
from segdata.command_line.unused import refuse_unused
from segrun.options import SERVED_AT, RunOptions

_ADDRESS = re.compile(r"[^/\\]*:[0-9]+|[0-9]{3,5}")  # HOST:PORT, or a port, which no webcam's number is


class _RunCommand(Command):
    """Takes a file whose name begins with a dash, as a shell's pattern may give it, for that file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = {name for parameter in self.params for name in parameter.opts}
        for index, arg in enumerate(args):
            if arg == "--serve" and not _ADDRESS.fullmatch("".join(args[index + 1 : index + 2])):
                args[index] = f"--serve={SERVED_AT}"  # the next word is not an address, but an input
        return super().parse_args(ctx, [f"./{arg}" if _is_file(arg) and arg not in options else arg for arg in args])


def _is_file(word: str) -> bool:
    with suppress(OSError):
        return word.startswith("-") and len(word) > 1 and Path(word).is_file()
    return False


_EXAMPLES = (
    "seg-run drive.mp4",
    "seg-run drive.mp4 -o seg.mp4 -o facts.jsonl --view side-by-side --legend",
    "seg-run 0 --serve --model unet-128",
)


@click.command(cls=_RunCommand, examples=_EXAMPLES)
@with_options(RunOptions)
def main(options: RunOptions) -> None:
    """Segment INPUT: each class of the street in its colour over the frame.

    INPUT is a video, an image, a pattern of them, a folder of images or videos, the number of a webcam, an address
    (rtsp://, http://, udp://, rtmp://), a pipe or - for standard input; several are done one after the other.

    Every frame of a file is kept, with its time and the audio; a live source drops frames there is no time for, and
    says how many. Ctrl-C finishes what was begun. Needs no GPU.

    With --serve and no output, a file is played at its own speed; the page pauses, repeats and restyles it.

    \b
    Results are told apart by their names:
    NAME.mp4 (.mkv, .mov, .avi)      a video
    NAME.gif                         a moving picture, at most 640 pixels wide
    NAME.jpg (.png, .webp, .bmp, ..) an image a frame
    NAME.jsonl                       facts a frame, with the source's times
    NAME.labels.mkv                  the class ids as a lossless video
    NAME.coco.json                   a mask a class and frame, as COCO has them
    NAME/                            masks, as --mask-format says
    -                                raw labels on standard output
    none                             nothing
    {name} stands for the input's name, in names of images {frame} for the
    frame's.
    """
    with Interrupts(last=True) as interrupts:
        _run_all(options, interrupts)


def _run_all(options: RunOptions, interrupts: Interrupts) -> None:
    from segrun.inputs import run_in_turn, run_side_by_side
    from segrun.runners.open import open_runners
    from segrun.sinks.open import output_names
    from segrun.sources.open import expand, is_live, name_of

    refuse_unused(_idle(options))
    if options.listed is not None:
        from segrun.fleet.command import run_listed

        run_listed(options, interrupts)
        return
    if not options.inputs:
        raise click.MissingParameter(param_hint="'INPUT...'", param_type="argument")
    options = replace(options, inputs=tuple(expand(options.inputs)))
    first = options.inputs[0]
    output_names(options, first, name_of(first))  # what is wrong for all of them is said once
    live = any(is_live(word) for word in options.inputs)
    several = options.together and len(options.inputs) > 1
    with open_runners(options, throughput=several or not live) as runners:
        if several or (len(runners) > 1 and len(options.inputs) > 1):
            run_side_by_side(options, runners, interrupts)
        else:
            run_in_turn(options, runners[0], interrupts)


def _idle(options: RunOptions) -> Iterator[tuple[str, str]]:
    """Yield the options that have nothing to do, with what they need and how to ask for it."""
    from segrun.sinks.open import holds_masks
    from segrun.sources import pipe
    from segrun.sources.open import kind_of

    if options.listed is None:
        for name in ("ray", "shard", "receipts"):
            yield name, "--from; name the videos by --from LIST"
        if not any(kind_of(word) is pipe.KIND for word in options.inputs):
            yield "raw", "a pipe; name - for standard input"
    if options.ray is None:
        yield "cpus_per_video", "--ray; add --ray, or leave it out"
    if options.serve is None and options.metrics is None:
        yield "token", "--serve or --metrics, which ask for it; add one of them"
    if not any(holds_masks(output, options) for output in options.outputs):
        for name in ("mask_format", "mask_values", "with_images"):
            yield name, "a folder of masks; add one, as -o masks/"
