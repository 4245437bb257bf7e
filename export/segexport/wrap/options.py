"""The options of `seg-export wrap`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.command_line.option import argument, flag, option
from segdata.errors import InputError
from segdata.images.size import Size

Normalise = Literal["imagenet", "unit", "half", "none"]

_SCHEMES: dict[Normalise, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "unit": ((0.0,) * 3, (255.0,) * 3),
    "half": ((127.5,) * 3, (127.5,) * 3),
    "none": ((0.0,) * 3, (1.0,) * 3),
}
"""Mean and standard deviation, for values of 0 to 255."""

_NEARLY_BLACK = 2.0  # means below this are given for values of 0 to 1, most likely


@dataclass(frozen=True, kw_only=True)
class WrapOptions:
    """The options of `wrap`.

    `classes` is the name of a label space or a file of one, in the order of the network's channels. `mean` and `std`
    are three numbers for values of 0 to 255, in the order in which the network takes the channels: (value - mean) / std
    is its input. `bgr` says that it takes blue first. `take` names one of several outputs. `corners` enlarges as
    align_corners does. `confidence` adds the second output. `check` is a picture: the result on it is written beside
    the output. `licence` stays with every file made from the network.
    """

    network: Path = argument()
    output: Path | None = option(
        None, "The file to write.", "-o", "--output", metavar="NAME.fp32.onnx", show_default="NETWORK.fp32.onnx"
    )
    classes: str | None = option(
        None, "What the channels stand for: cityscapes-19, -29, -8, or a .toml or .json file.", metavar="SPACE|FILE"
    )
    size: Size | None = option(None, "The size of a picture, where the network leaves it open.", metavar="N|WxH")
    normalise: Normalise | None = option(
        None, "Its input: imagenet statistics, unit (x/255), half ((x-127.5)/127.5), or none (0 to 255)."
    )
    mean: str | None = option(None, "Instead: the means, of 0 to 255.", metavar="A,B,C")
    std: str | None = option(None, "Instead: the standard deviations, of 0 to 255.", metavar="A,B,C")
    bgr: bool = flag("It takes blue first.")
    take: str | None = option(None, "The output to take, of several.", metavar="OUTPUT")
    corners: bool = flag("Enlarge with the corners aligned.")
    confidence: bool = flag("Also give how sure the network is of each pixel.")
    check: Path | None = option(None, "Write the result on this picture as NAME.check.png.", metavar="IMAGE")
    licence: str = option("", "The network's licence, named in every file made from it.", metavar="NAME")


@dataclass(frozen=True)
class Normalisation:
    """Three means and deviations in the network's order of channels, and what a user should know of them."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    warning: str = ""


def normalisation_of(options: WrapOptions) -> Normalisation:
    """Return the normalisation; raise InputError if the options do not say it, or not clearly."""
    if (options.mean is None) != (options.std is None):
        raise InputError("got one of --mean and --std, need both: three numbers each, of 0 to 255")
    if options.mean is not None and options.std is not None:
        if options.normalise is not None:
            raise InputError(f"got --mean and --normalise {options.normalise}; name one of them")
        mean, std = _three("--mean", options.mean), _three("--std", options.std)
        if min(std) <= 0:
            raise InputError(f"got --std {options.std}, need three numbers above 0")
        looks_small = 0 < max(map(abs, mean)) < _NEARLY_BLACK
        warning = f"mean {options.mean} of 0 to 255 is nearly black; multiply by 255 what is of 0 to 1"
        return Normalisation(mean, std, warning if looks_small else "")
    if options.normalise is None:
        raise InputError(
            "how the network's pixels are normalised cannot be seen from the file: give --normalise imagenet, unit, "
            "half or none, or --mean A,B,C --std A,B,C"
        )
    return Normalisation(*_SCHEMES[options.normalise])


def _three(name: str, text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 3 or not all(abs(value) < 1e6 for value in values):
        raise InputError(f"got {name} {text[:80]}, need three numbers, as 123.7,116.3,103.5")
    return values
