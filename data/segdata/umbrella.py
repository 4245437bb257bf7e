"""edgeseg: the five commands under one name, `edgeseg run` for seg-run."""

import sys
from difflib import get_close_matches
from importlib.metadata import entry_points

import click

from segdata.command_line.command import Group

_COMMANDS = {
    "data": "Prepare datasets for training, and make synthetic ones.",
    "train": "Train a UNet on a dataset.",
    "export": "Make ONNX files and TensorRT engines of a checkpoint, and prove them.",
    "run": "Segment videos and images.",
    "bench": "Measure speed and accuracy, and say what this machine can run.",
}


class _Umbrella(Group):
    """Lists the commands without importing any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, f"{text} The same as seg-{name}.") for name, text in _COMMANDS.items()])


_EXAMPLES = ("edgeseg run drive.mp4", "edgeseg bench preflight", "edgeseg train dataset --minutes 30")


@click.group(cls=_Umbrella, invoke_without_command=True, examples=_EXAMPLES)
def command() -> None:
    """Street-scene segmentation from training to a small GPU.

    edgeseg COMMAND --help says what each command takes.
    """


def _guess(words: list[str]) -> None:
    """Exit with a suggestion if the word is a misspelt command, or seg-run instead of run; else return."""
    for word in words:
        for meant in get_close_matches(word.removeprefix("seg-"), _COMMANDS, 1):
            click.echo(f"Error: No such command '{word}'. Did you mean 'edgeseg {meant}'?", err=True)
            sys.exit(click.UsageError.exit_code)


def main() -> None:
    """Run the command that the first word names, as it would run under its own name."""
    words = sys.argv[1:]
    if not words or words[0] not in _COMMANDS:
        _guess(words[:1])
        command.main(words or ["--help"], prog_name="edgeseg")
    name = f"seg-{words[0]}"
    (entry,) = entry_points(group="console_scripts", name=name)
    sys.argv = [name, *words[1:]]
    entry.load()()
