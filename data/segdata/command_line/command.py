"""What the five commands share: help, one-line errors and exit codes."""

import io
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from difflib import get_close_matches
from typing import Any

import click

from segdata.command_line.fixable import fixable
from segdata.command_line.interrupt import Interrupts
from segdata.command_line.option import Option
from segdata.errors import EdgeSegError
from segdata.text import one_line

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells count it: 128 + SIGINT."""

_GENERAL = "General"  # the group of the options that every command has

_A_BEGINNING = 3  # letters of a name, from which it is guessed
_WHOLE = 1000  # letters of a first sentence, which click would cut at 45
_TYPED = "segdata.typed"  # click's key for the command line


class _OneLine(click.ClickException):
    """Shows an EdgeSegError as `Error: ...` on one line."""

    def __init__(self, error: EdgeSegError) -> None:
        super().__init__(one_line(str(error)))


class _Mistyped(click.ClickException):
    """Shows what click finds wrong with a command line on one line, with what to do."""

    exit_code = click.UsageError.exit_code


@contextmanager
def _in_one_line(ctx: click.Context, examples: Sequence[str] = ()) -> Iterator[None]:
    """Have a wrong command line end in one line, without click's usage before it."""
    try:
        yield
    except click.UsageError as error:
        raise _Mistyped(one_line(_told(ctx, error, examples))) from error


def _told(ctx: click.Context, error: click.UsageError, examples: Sequence[str]) -> str:
    """Return what is wrong and what to do."""
    message = error.message.rstrip(".")
    if unknown := re.match(r"No such (?:option|command) '?([^']+)", message):
        names = [name for parameter in ctx.command.get_params(ctx) for name in parameter.opts]
        if isinstance(ctx.command, click.Group):
            names += ctx.command.list_commands(ctx)
        spelled = {name.lstrip("-"): name for name in names}  # dashes are alike in all
        word = unknown[1].lstrip("-")
        near = get_close_matches(word, spelled, 1, cutoff=0.75)  # click's own guesses are wilder
        near = near or [name for name in spelled if len(word) >= _A_BEGINNING and name.startswith(word)]
        guess = f". Did you mean '{spelled[near[0]]}'?" if near else f"; {ctx.command_path} --help lists all"
        return message + guess
    if isinstance(error, click.BadOptionUsage) and "requires" in message:
        (option,) = [each for each in ctx.command.params if error.option_name in each.opts]
        choices = "|".join(option.type.choices) if isinstance(option.type, click.Choice) else "VALUE"
        return f"{message}; write {error.option_name} {option.metavar or choices}"
    if isinstance(error, click.MissingParameter) and examples:
        return f"{error.format_message().rstrip('.')}; write, for example: {examples[0]}"
    if "unexpected extra" in message:
        taken = " ".join(ctx.command.collect_usage_pieces(ctx)[1:])
        return f"{message}; need {ctx.command_path} {taken}".rstrip()
    return error.format_message().rstrip(".")


class Command(click.Command):
    """A click command that turns what a user can fix into one line; `--debug` shows the traceback instead.

    Its help has the options in their groups, then what `subcommands` there are, and `examples`.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.subcommands: Mapping[str, click.Command] = {}
        self.context_settings.setdefault("show_default", True)
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])
        self.context_settings.setdefault("max_content_width", 100)
        self.params.append(Option(["--debug"], is_flag=True, help="Show the traceback of an error.", group=_GENERAL))
        click.version_option(None, "--version", package_name="edgeseg", cls=Option, group=_GENERAL)(self)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line."""
        ctx.meta[_TYPED] = shlex.join([*ctx.command_path.split(), *args])
        with _in_one_line(ctx, self.examples):
            self._check_dashes(ctx, args)
            return super().parse_args(ctx, args)

    def _check_dashes(self, ctx: click.Context, args: list[str]) -> None:
        """Fail for -output where --output is meant; click takes it for `-o utput`."""
        names = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        for word in args:
            name = word.partition("=")[0]
            if re.match(r"-[^-].", name) and f"-{name}" in names:
                raise click.NoSuchOption(name, ctx=ctx)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return click's own, among the general options."""
        found = super().get_help_option(ctx)
        if found is not None:
            found.group = _GENERAL  # type: ignore[attr-defined]
        return found

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section a group, and the subcommands."""
        groups: dict[str, list[tuple[str, str]]] = {"": []}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
                groups.setdefault(getattr(parameter, "group", ""), []).append(record)
        groups[_GENERAL] = groups.pop(_GENERAL)
        for name, records in groups.items():
            if records:
                with formatter.section(name or "Options"):
                    formatter.write_dl(records)
        if self.subcommands:
            with formatter.section("Commands"):
                formatter.write_dl(_first_sentences(self.subcommands))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, as they are typed."""
        _write_examples(self.examples, formatter)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command."""
        debug = ctx.params.pop("debug")
        _print_any_name()
        try:
            with _interrupts(), _in_one_line(ctx, self.examples):
                return super().invoke(ctx)
        except (EdgeSegError, ImportError, OSError) as error:
            if debug:
                raise
            known = fixable(error)
            if _speaks():
                _OneLine(known).show()
            ctx.exit(known.exit_code)
        except KeyboardInterrupt as interrupt:
            if _speaks():
                left = str(interrupt) or "what was there before is unchanged."  # a command may know more
                click.echo(f"Interrupted; {left}", err=True)
            sys.exit(INTERRUPTED)


def _first_sentences(commands: Mapping[str, click.Command]) -> list[tuple[str, str]]:
    return [(name, command.get_short_help_str(_WHOLE)) for name, command in commands.items()]


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{' ' * formatter.current_indent}{example}\n")


def _print_any_name() -> None:
    """Have standard output take names that are not UTF-8, as the bytes they are."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")


def typed() -> str:
    """Return the command line that is being run, to be typed again."""
    return str(click.get_current_context().meta[_TYPED])


def _speaks() -> bool:
    """Return whether this process prints errors: of several (`--devices`, torchrun), only the first does."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _interrupts() -> AbstractContextManager[object]:
    """Have Ctrl-C and SIGTERM end the block, so that no half-written file is left.

    Not under a launcher: this process may be waiting for the others inside a library, where Python handles no signal.
    """
    return nullcontext() if "LOCAL_RANK" in os.environ else Interrupts(last=True)


def dispatch(program: str, main: Command, others: Mapping[str, click.Command]) -> None:
    """Run `main`, or the one of `others` that the first word of the command line names.

    For commands whose plain form takes a file: `seg-export unet.safetensors`, but `seg-export inspect unet.onnx`.
    """
    main.subcommands = others
    words = sys.argv[1:]
    if words and words[0] in others:
        others[words[0]].main(words[1:], prog_name=f"{program} {words[0]}")
    if words and words[0].isalpha() and not os.path.lexists(words[0]):
        for meant in get_close_matches(words[0], others, 1):
            click.echo(f"Error: No such command '{words[0]}'. Did you mean '{program} {meant}'?", err=True)
            sys.exit(click.UsageError.exit_code)
    main.main(words, prog_name=program)


class Group(click.Group):
    """A group whose subcommands are of `Command`; its help ends with `examples`."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])
        self.context_settings.setdefault("max_content_width", 100)
        click.version_option(None, "--version", package_name="edgeseg")(self)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line up to the subcommand."""
        with _in_one_line(ctx):
            return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands, each with the first sentence of its help."""
        with formatter.section("Commands"):
            names = self.list_commands(ctx)
            formatter.write_dl(
                _first_sentences({each: found for each in names if (found := self.get_command(ctx, each))})
            )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, as they are typed."""
        _write_examples(self.examples, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand."""
        with _in_one_line(ctx):
            return super().resolve_command(ctx, args)
