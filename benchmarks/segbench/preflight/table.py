"""What a preflight shows: a table of what was found, the advice that follows from it, and what to type next."""

import re
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segbench.facts import TARGET
from segbench.preflight.gpu import Gpu
from segbench.preflight.installed import EXTRAS
from segbench.preflight.preflight import Preflight, Probe
from segbench.results import Rate

_COLOURS = {"yes": "green", "no": "yellow"}

_CUDA_13, _CUDA_12 = 580, 525  # the oldest drivers for TensorRT as it is on PyPI, and for tensorrt-cu12
_DRIVERS = "https://www.nvidia.com/drivers"


def print_preflight(found: Preflight, console: Console) -> None:
    """Print a table, one row a fact, the advice below it, a line each, and the commands, each on one line to copy."""
    table = Table(title=Text(f"Preflight with {found.model}"), box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("checked", no_wrap=True)
    table.add_column("usable", no_wrap=True)
    table.add_column("found", overflow="fold")
    for checked, usable, text in _rows(found):
        table.add_row(checked, Text(usable, _COLOURS.get(usable, "")), Text(text))
    console.print(table)
    for line in advise(found):
        console.print(f"- {line}", markup=False, highlight=False)
    console.print("\nNext, in this order:", style="bold")
    for command in next_commands(found):
        console.print(f"  {command}", style="cyan", markup=False, highlight=False, soft_wrap=True)


def _rows(found: Preflight) -> Iterator[tuple[str, str, str]]:
    """Yield what was checked, whether it is usable, and what was found or how to fix it."""
    yield from (_row(each.name, each) for each in found.installed)
    if gpu := found.gpu:
        yield "GPU", "yes", f"{gpu.name}, compute capability {gpu.compute_capability}, driver {gpu.driver}"
        yield "tensor cores", "yes" if gpu.tensor_cores else "no", f"by what is known of a {gpu.name}"
    else:
        yield "GPU", "no", found.gpu_problem or ""
        yield "tensor cores", "-", "not checked: no GPU"
    yield from (_row(each.name, each) for each in found.libraries)
    yield from (_row(f"{each.name} engine", each) for each in found.engines)
    if not found.engines:
        yield "engines", "no", "not built: no TensorRT that can build here"
    yield from (_row(f"CPU, {each.name}", each) for each in found.cpu)


def _row(checked: str, probe: Probe) -> tuple[str, str, str]:
    rate = probe.rate
    speed = f"{rate.median:,.0f} FPS ±{rate.spread / 2:.0%} (the network alone)" if rate else ""
    return checked, "no" if probe.problem else "yes", "; ".join(filter(None, (probe.found, speed, probe.problem)))


def advise(found: Preflight) -> Iterator[str]:
    """Yield what follows from what was found, a sentence a line."""
    gpu, engines, cpu = found.gpu, _rates(found.engines), _rates(found.cpu)
    rtx = found.flavour == "tensorrt-rtx"
    if gpu is None:
        built = [engine.name for engine in found.engines if engine.problem is None]
        builds = f": {', '.join(built)} build{'s' if len(built) == 1 else ''} for the {TARGET}" if built else ""
        where = "once the card can be used, this times" if found.card else "on the machine with the card this times"
        yield _driver(found)
        yield f"no GPU that can be used, so nothing was timed on one{builds}"
        yield f"{where} an engine of each precision; until then export all three"
    elif not _has_tensorrt(found):
        yield _driver(found)
        yield "install TensorRT, or with the extra rtx TensorRT-RTX"
        return
    elif engines:
        yield from _to_export(engines, gpu)
    else:
        yield "no engine could be timed: the engines' lines say why"
    # TensorRT-RTX's support matrix (1.5) has fp32 and fp16 for compute capability 7.5, and no int8.
    if rtx and (gpu is None or (engines and gpu.compute_capability == "7.5")):
        yield "NVIDIA does not support int8 on compute capability 7.5 in TensorRT-RTX: use TensorRT for it"
    if cpu and not engines:
        fastest, equals = _fastest(cpu)
        equals.remove(fastest)
        tied = f"; {', '.join(equals)} as fast within the spread" if equals else ""
        yield f"on this CPU {fastest} is the fastest: {cpu[fastest].median:,.0f} FPS, the network alone{tied}"


def next_commands(found: Preflight) -> Iterator[str]:
    """Yield the commands to type next: those that install what is missing, then those that use it."""
    can_export = not any(part.name == EXTRAS["export"] and part.problem for part in found.installed)
    export = [] if can_export else ["export"]
    gpu, rates = found.gpu, _rates(found.engines)
    version = _driver_version(found)
    if gpu is None and found.card is None:
        yield from _pip([*export, *([] if found.engines else ["rtx"])])
        yield "seg-export --all --cc 7.5"
        yield "seg-bench exports/*.onnx"
    elif gpu is None or not _has_tensorrt(found):
        cuda_12 = version is not None and _CUDA_12 <= version < _CUDA_13
        yield from (
            ["pip install 'edgeseg[export,gpu-wheels]' tensorrt-cu12"] if cuda_12 else _pip(["export", "tensorrt"])
        )
        yield "seg-bench preflight"
    else:
        precision = _fastest(rates)[1][0] if rates else "all"
        library = "rtx" if found.flavour == "tensorrt-rtx" else "tensorrt"
        yield from _pip(export)
        yield f"seg-export --{precision} --cc {gpu.compute_capability} --engine {library}"
        yield "seg-bench exports/*.engine"


def _pip(extras: list[str]) -> list[str]:
    return [f"pip install 'edgeseg[{','.join(extras)}]'"] if extras else []


def _has_tensorrt(found: Preflight) -> bool:
    return any(library.problem is None for library in found.libraries)


def _driver_version(found: Preflight) -> int | None:
    """Return the first part of the driver's version, None if no card is there or it is not known."""
    text = found.gpu.driver if found.gpu else found.card.driver if found.card else ""
    number = re.match(r"[0-9]{1,6}", text)
    return int(number[0]) if number else None


def _driver(found: Preflight) -> str:
    """Return which driver and CUDA a card needs, by what the one that is here has."""
    version = _driver_version(found)
    if version is None:
        return (
            f"a card needs NVIDIA's driver {_CUDA_13} or later, which has CUDA 13, for TensorRT; for tensorrt-cu12 "
            f"{_CUDA_12} or later, which has CUDA 12: {_DRIVERS}"
        )
    if version < _CUDA_12:
        return f"driver {version} is too old: install {_CUDA_13} or later, which has CUDA 13: {_DRIVERS}"
    if version < _CUDA_13:
        return (
            f"driver {version} has CUDA 12, which tensorrt-cu12 needs; TensorRT itself needs {_CUDA_13} or later, "
            f"which has CUDA 13: {_DRIVERS}"
        )
    return f"driver {version} has CUDA 13, which TensorRT needs"


def _to_export(rates: dict[str, Rate], gpu: Gpu) -> Iterator[str]:
    """The fastest precision, or the most exact of those as fast within the spread: `rates` go from fp32 to int8."""
    fastest, (chosen, *_) = _fastest(rates)
    tied = "" if chosen == fastest else f"; {fastest} is no faster beyond the spread, and less exact"
    others = ", ".join(f"{precision} {rate.median:,.0f}" for precision, rate in rates.items() if precision != chosen)
    beside = f" ({others})" if others else ""
    yield f"export {chosen}: {rates[chosen].median:,.0f} FPS here{beside}{tied}"
    yield "for its accuracy and its speed end to end: seg-bench ARTEFACTS --data DATASET"
    if not gpu.tensor_cores:
        yield "no tensor cores: fp16 and int8 may be slower than fp32, so trust only what was timed on this card"


def _rates(probes: tuple[Probe, ...]) -> dict[str, Rate]:
    return {probe.name: probe.rate for probe in probes if probe.rate}


def _fastest(rates: dict[str, Rate]) -> tuple[str, list[str]]:
    """Return the fastest, and all that are as fast within the spread, itself among them."""
    fastest = max(rates, key=lambda name: rates[name].median)
    return fastest, [name for name in rates if rates[name].overlaps(rates[fastest])]
