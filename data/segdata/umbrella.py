"""edgeseg: the five commands under one name, `edgeseg run` for seg-run."""

import sys
from importlib.metadata import entry_points

import click

_COMMANDS = {
    "data": "Prepare datasets for training, and make synthetic ones.",
    "train": "Train a UNet on a dataset.",
    "export": "Make ONNX files and TensorRT engines of a checkpoint, and prove them.",
    "run": "Segment videos and images.",
    "bench": "Measure speed and accuracy, and say what this machine can run.",
}


class _Umbrella(click.Group):
    """Finds the commands among the package's own, so that this one imports none of them before it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, f"{text} The same as seg-{name}.") for name, text in _COMMANDS.items()])


@click.group(
    cls=_Umbrella,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(package_name="edgeseg")
def command() -> None:
    """Street-scene segmentation from training to a small GPU.

    edgeseg COMMAND --help says what each command takes.
    """


def main() -> None:
    """Run the command that the first word names, as it would run under its own name."""
    words = sys.argv[1:]
    if not words or words[0] not in _COMMANDS:
        command.main(words or ["--help"], prog_name="edgeseg")
    name = f"seg-{words[0]}"
    (entry,) = entry_points(group="console_scripts", name=name)
    sys.argv = [name, *words[1:]]
    entry.load()()
