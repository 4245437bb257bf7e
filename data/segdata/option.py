"""Click options made from a dataclass: each field has the default, the limits and the help text.

@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    dataset: Path = argument()
    frames: Annotated[int, Ge(1)] = option(8, "Frames on the sheet.")

@click.command
@with_options(ShowOptions)
def show(options: ShowOptions) -> None: ...
"""

import re
from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields, is_dataclass
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click
from annotated_types import Ge, Gt, Le, Lt

from segdata.errors import InputError
from segdata.size import Size, parse_size

_CLICK = "click"
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Option(click.Option):
    """An option of click's that belongs to a `group` in the help; "" is the first one."""

    def __init__(self, *args: Any, group: str = "", **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.group = group


class Seconds(click.ParamType):  # type: ignore[type-arg] # only the newest click has a parameter there
    """Seconds, typed as they are or as minutes and hours: 90, 1:30, 00:01:30.5. `limits` are on the seconds."""

    name = "time"

    def __init__(self, limits: "click.ParamType[Any]") -> None:
        self._limits = limits

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own
        """Return the seconds; fail for what is no time."""
        if isinstance(value, str) and ":" in value:
            if not re.fullmatch(r"([0-9]+:)?[0-9]{1,2}:[0-9]{1,2}(\.[0-9]*)?", value):
                self.fail(f"{value!r} is no time; write seconds, or 1:30, or 00:01:30", param, ctx)
            seconds = 0.0
            for part in value.split(":"):
                seconds = 60 * seconds + float(part)
            value = seconds
        return self._limits.convert(value, param, ctx)


TIME = object()
"""Marks a field in seconds that may be typed as 00:01:30: `Annotated[float, Ge(0), TIME]`."""


def argument(default: Any = MISSING, **attributes: Any) -> Any:  # noqa: ANN401 - stands for a field of any type
    """Return a field that is an argument of the command; optional if it has a default."""
    return field(default=default, metadata={_CLICK: (None, attributes)})


def option(default: Any, text: str, *names: str, **attributes: Any) -> Any:  # noqa: ANN401 - as above
    """Return a field that is an option, with its help text.

    Its name is that of the field unless `names` says otherwise. `attributes` are click's, metavar and show_default, and
    `group`, the section of the help that it stands in.
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
    given: dict[str, Any] = {"type": kind, **({} if of.default is MISSING else {"default": of.default}), **attributes}
    if names is None:
        given |= {"required": of.default is MISSING, "nargs": -1 if several else 1}
        return click.argument(of.name, **given)
    if isinstance(kind, click.IntRange | click.FloatRange) or kind in (int, float):
        given.setdefault("metavar", "N" if kind is int or isinstance(kind, click.IntRange) else "NUMBER")
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
        return (
            click.Choice(choices) if isinstance(choices[0], str) else click.IntRange(min(choices), max(choices))
        ), False
    if hint is Path:
        return click.Path(path_type=Path), False
    if hint is Size:
        return _size, False
    return (_range(hint, limits) if limits else hint), False


def _range(kind: type, limits: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a type of click's, which changed its parameters
    bounds: dict[str, Any] = {}
    for limit in limits:
        match limit:
            case Ge(ge=low):
                bounds["min"] = low
            case Gt(gt=low):
                bounds |= {"min": low, "min_open": True}
            case Le(le=high):
                bounds["max"] = high
            case Lt(lt=high):
                bounds |= {"max": high, "max_open": True}
    made = click.IntRange(**bounds) if kind is int else click.FloatRange(**bounds)
    return Seconds(made) if TIME in limits else made


def _size(text: str | Size) -> Size:
    try:
        return text if isinstance(text, Size) else parse_size(text)
    except InputError as error:
        raise click.BadParameter(str(error)) from None


_size.__name__ = "size"  # click's word for the kind
