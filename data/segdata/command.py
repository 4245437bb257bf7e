"""What the five commands share: help, one-line errors and exit codes."""

import errno
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.metadata import requires
from typing import Any

import click

from segdata.errors import EdgeSegError, InputError, MissingDependencyError
from segdata.option import Option
from segdata.text import one_line

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells count it: 128 + SIGINT."""

_GENERAL = "General"  # the group of the options that every command has

_FOR_DEVELOPERS = ("dev", "docs")  # extras

# What opencv-python links against but does not bring, and the Debian packages that have all of it.
_OPENCV_LIBRARIES = {
    "libGL.so.1",
    "libglib-2.0.so.0",
    "libgthread-2.0.so.0",
    "libxcb.so.1",
    "libX11.so.6",
    "libXext.so.6",
}
_OPENCV_PACKAGES = "libgl1 libglib2.0-0 libxcb1 libx11-6 libxext6"


class _OneLine(click.ClickException):
    """Shows an EdgeSegError as `Error: ...` on one line."""

    def __init__(self, error: EdgeSegError) -> None:
        super().__init__(one_line(str(error)))


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
                formatter.write_dl([(name, other.get_short_help_str(80)) for name, other in self.subcommands.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, as they are typed."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{' ' * formatter.current_indent}{example}\n")

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command."""
        debug = ctx.params.pop("debug")
        try:
            with _ended_by_sigterm():
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
                left = str(interrupt) or "what was there before is unchanged"  # a command may know more
                click.echo(f"Interrupted; {left}.", err=True)
            sys.exit(INTERRUPTED)


def _speaks() -> bool:
    """Return whether this is the one process of its machine that says what all of them meet (`--devices`, torchrun)."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end the block as Ctrl-C does, so that no half of a file stays.

    Not where a launcher started this process: it may hang in the others, where Python hears no signal.
    """
    if threading.current_thread() is not threading.main_thread() or "LOCAL_RANK" in os.environ:
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is signal.default_int_handler:  # and no one else's since
            signal.signal(signal.SIGTERM, before)


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
    """A group whose subcommands are of `Command`."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])
        self.context_settings.setdefault("max_content_width", 100)
        click.version_option(None, "--version", package_name="edgeseg")(self)


def fixable(error: EdgeSegError | ImportError | OSError) -> EdgeSegError:
    """Return the error as one that the user can fix; raise the error itself if it is a bug."""
    if isinstance(error, EdgeSegError):
        return error
    if isinstance(error, ImportError):
        return missing_dependency(error)
    # Python raises these, and no other, where it is asked whether there is a file of a name.
    if error.errno not in (errno.EACCES, errno.ENAMETOOLONG) or error.filename is None:
        raise error
    return InputError(f"{error.filename}: cannot be looked for ({error.strerror}); name another file or folder")


def _extra_of(module: str) -> str | None:
    """Return which extra of edgeseg brings a module, by the package's metadata: the smallest of those that do."""
    from packaging.requirements import Requirement

    brings: dict[str, list[str]] = {}
    for requirement in map(Requirement, requires("edgeseg") or ()):
        if extra := re.search(r"extra == ['\"](\w+)", str(requirement.marker)):
            brings.setdefault(extra[1], []).append(requirement.name.replace("-", "_").lower())
    bringing = [extra for extra, names in brings.items() if module in names and extra not in _FOR_DEVELOPERS]
    return min(bringing, key=lambda extra: len(brings[extra]), default=None)


def missing_dependency(error: ImportError) -> EdgeSegError:
    """Say what to install for a failed import; raise the error itself if it is not one of our dependencies."""
    module = (error.name or "").split(".")[0]
    if isinstance(error, ModuleNotFoundError) and (extra := _extra_of(module)):
        return MissingDependencyError(f"{module} is not installed; run: pip install 'edgeseg[{extra}]'")
    library = re.match(r"(lib\S+\.so[.\d]*): cannot open shared object file", str(error))
    if library is None:
        raise error
    if library[1] not in _OPENCV_LIBRARIES:
        return MissingDependencyError(f"the system library {library[1]} is missing; install the package that has it")
    return MissingDependencyError(
        f"opencv-python needs {library[1]} from the system; run: apt-get install {_OPENCV_PACKAGES} "
        "(Debian, Ubuntu), or: pip uninstall -y opencv-python && pip install opencv-python-headless"
    )
