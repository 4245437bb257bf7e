"""Options that were typed and would change nothing."""

from collections.abc import Iterable

import click
from click.core import ParameterSource

from segdata.errors import InputError


def refuse_unused(idle: Iterable[tuple[str, str]]) -> None:
    """Refuse the first option that was typed although it has nothing to do.

    `idle` has the parameter's name of each such option, and what it needs and how to ask for that.

    Raises InputError; RuntimeError outside a click command.
    """
    context = click.get_current_context()
    words = {parameter.name: max(parameter.opts, key=len) for parameter in context.command.params}
    for name, need in idle:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            value = context.params[name]
            shown = "" if value is True or name == "token" else f" {_text(value)}"
            raise InputError(f"got {words[name]}{shown} without {need}")


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
