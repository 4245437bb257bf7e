"""Click options made from a dataclass: each field has the default, the limits and the help text.

@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    dataset: Path = argument()
    frames: Annotated[int, Ge(1)] = option(8, "Frames on the sheet.")

@click.command
@with_options(ShowOptions)
def show(options: ShowOptions) -> None: ...
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields, is_dataclass
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click
from annotated_types import Ge, Gt, Le, Lt

from segdata.command_line.number import Number, Seconds
from segdata.errors import InputError
from segdata.images.size import Size, parse_size

_CLICK = "click"
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Option(click.Option):
    """A click option that belongs to a `group` in the help; "" is the first one."""

    def __init__(self, *args: Any, group: str = "", **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.group = group

    def get_help_extra(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own, which changed its type
        """Return the text in brackets, the limits of a number in words."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.type, Number) and self.type.limits:
            extra["range"] = self.type.limits
        return extra


TIME = object()
"""Marks a field in seconds that may be typed as 00:01:30: `Annotated[float, Ge(0), TIME]`."""


def argument(default: Any = MISSING, **attributes: Any) -> Any:  # noqa: ANN401 - stands for a field of any type
    """Return a field that is an argument of the command; optional if it has a default."""
    return field(default=default, metadata={_CLICK: (None, attributes)})


def option(default: Any, text: str, *names: str, **attributes: Any) -> Any:  # noqa: ANN401 - as above
    """Return a field that is an option, with its help text.

    Its name is that of the field unless `names` says otherwise. `attributes` are click's, metavar and show_default, and
    `group`, its section of the help.
    """
    return field(default=default, metadata={_CLICK: (names, {"help": text, **attributes})})


def flag(text: str, *names: str, group: str = "") -> Any:  # noqa: ANN401 - as above
    """Return a field that is False unless the option is given."""
    return option(False, text, *names, is_flag=True, group=group)


def with_options(options: type[Any]) -> Callable[[_Function], _Function]:
    """Give a command the arguments and options of a dataclass, which it is called with; its own follow as keywords.

    Fields that are dataclasses themselves have their options among the others.
    """

    def decorate(function: _Function) -> _Function:
        @wraps(function)
        def command(**values: Any) -> Any:  # noqa: ANN401 - whatever the command returns
            return function(_made(options, values), **values)

        for parameter in reversed(_parameters(options)):
            parameter(command)
        return command  # type: ignore[return-value]

    return decorate


def _made(options: type[Any], values: dict[str, Any]) -> Any:  # noqa: ANN401 - an instance of `options`
    """Return the dataclass of the values that click found, which are taken out of `values`."""
    hints = get_type_hints(options)
    own = {}
    for each in fields(options):
        if is_dataclass(hints[each.name]):
            own[each.name] = _made(hints[each.name], values)
        elif _CLICK in each.metadata:
            own[each.name] = values.pop(each.name)
    return options(**own)


def _parameters(options: type[Any]) -> list[Callable[..., Any]]:
    hints = get_type_hints(options, include_extras=True)
    found: list[Callable[..., Any]] = []
    for each in fields(options):
        if is_dataclass(hints[each.name]):
            found += _parameters(hints[each.name])
        elif _CLICK in each.metadata:
            found.append(_parameter(each, hints[each.name]))
    return found


def _parameter(of: "Field[Any]", hint: Any) -> Callable[..., Any]:  # noqa: ANN401 - a type as it was written
    names, attributes = of.metadata[_CLICK]
    kind, several = _click_type(hint)
    if of.default == "":
        kind = str  # nothing is what it mostly has
    given: dict[str, Any] = {"type": kind, **({} if of.default is MISSING else {"default": of.default}), **attributes}
    if names is None:
        given |= {"required": of.default is MISSING, "nargs": -1 if several else 1}
        return click.argument(of.name, **given)
    if isinstance(kind, Number):
        given.setdefault("metavar", kind.metavar)
    if given.get("is_flag"):
        del given["type"]
    else:
        given["multiple"] = several
    return click.option(*(names or (f"--{of.name.replace('_', '-')}",)), of.name, cls=Option, **given)


def _click_type(hint: Any) -> tuple[Any, bool]:  # noqa: ANN401 - as above
    """Return what click makes of a type, and whether there may be several of it."""
    limits: tuple[Any, ...] = ()
    if get_origin(hint) in (Union, UnionType):
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    if get_origin(hint) is Annotated:
        hint, *found = get_args(hint)
        limits = tuple(found)
    if get_origin(hint) is tuple:
        return _click_type(get_args(hint)[0])[0], True
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return click.Choice(choices) if isinstance(choices[0], str) else Number(int, min(choices), max(choices)), False
    if hint is Path:
        return _Path(path_type=Path), False
    if hint is str:
        return _Text(), False
    if hint is Size:
        return _size, False
    return (_number(hint, limits) if hint in (int, float) else hint), False


def _number(kind: type, limits: tuple[Any, ...]) -> Number:
    bounds: dict[str, Any] = {}
    for limit in limits:
        match limit:
            case Ge(ge=low):
                bounds["low"] = low
            case Gt(gt=low):
                bounds |= {"low": low, "above": True}
            case Le(le=high):
                bounds["high"] = high
            case Lt(lt=high):
                bounds |= {"high": high, "below": True}
    return (Seconds if TIME in limits else Number)(kind, **bounds)


class _Text(click.types.StringParamType):
    """A text that is not empty: an empty one is mostly a variable of the shell that was not set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own
        """Return the text; fail for an empty one."""
        _check_not_empty(value)
        return super().convert(value, param, ctx)


class _Path(click.Path):
    """A path that is not empty: pathlib takes an empty one for the folder one is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as above
        """Return the path; fail for an empty one."""
        _check_not_empty(value)
        return super().convert(value, param, ctx)


def _check_not_empty(value: object) -> None:
    if value == "":
        raise click.BadParameter("got an empty text; fill it in, or leave it out")


def _size(text: str | Size) -> Size:
    try:
        return text if isinstance(text, Size) else parse_size(text)
    except InputError as error:
        raise click.BadParameter(str(error)) from None


_size.__name__ = "size"  # click's word for the kind
