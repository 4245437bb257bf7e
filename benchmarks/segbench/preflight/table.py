"""What a preflight shows: a table of what was found, and the advice that follows from it."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segbench.preflight.found import Preflight
from segbench.results import Rate


def as_table(found: Preflight) -> Table:
    """Return one row a fact: what was checked, whether it is usable, and what was found or how to fix it."""
    table = Table(title=Text(f"Preflight with {found.model}"), box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("checked", no_wrap=True)
    table.add_column("usable", no_wrap=True)
    table.add_column("found", overflow="fold")
    for checked, usable, text in [*_installed_rows(found), *_gpu_rows(found), *_engine_rows(found), *_cpu_rows(found)]:
        table.add_row(checked, usable, Text(text))
    return table


def print_preflight(found: Preflight, console: Console) -> None:
    """Print the table, and the advice below it, a line each."""
    console.print(as_table(found))
    for line in found.advice:
        console.print(f"- {line}", markup=False, highlight=False)


_Row = tuple[str, str, str]


def _installed_rows(found: Preflight) -> list[_Row]:
    return [
        (extra.serves, _yes(extra.problem), extra.problem or ", ".join(extra.packages)) for extra in found.installed
    ]


def _gpu_rows(found: Preflight) -> list[_Row]:
    if found.gpu is None:
        rows = [("GPU", "no", found.gpu_problem or ""), ("tensor cores", "-", "not checked: no GPU")]
    else:
        gpu = found.gpu
        rows = [("GPU", "yes", f"{gpu.name}, compute capability {gpu.compute_capability}, driver {gpu.driver}")]
        rows.append(("tensor cores", "yes" if found.tensor_cores else "no", f"by what is known of a {gpu.name}"))
    for library in found.libraries:
        version = f"version {library.version}"
        rows.append((library.flavour, _yes(library.problem), library.problem or version))
    return rows


def _engine_rows(found: Preflight) -> list[_Row]:
    rows = []
    for engine in found.engines:
        built = "" if engine.build_seconds is None else f"built for {found.target} in {engine.build_seconds:.1f} s"
        timed = _speed(engine.rate) if engine.rate else ("" if engine.problem else "not timed: no GPU")
        text = "; ".join(filter(None, (built, timed, engine.problem)))
        rows.append((f"{engine.precision} engine", _yes(engine.problem), text))
    return rows or [("engines", "no", "not built: no TensorRT that can build here")]


def _cpu_rows(found: Preflight) -> list[_Row]:
    rows = []
    for probe in found.cpu:
        timed = f"{_speed(probe.rate)}, computes in {probe.computes}" if probe.rate else ""
        rows.append((f"CPU, {probe.runner}", _yes(probe.problem), probe.problem or timed))
    return rows


def _yes(problem: str | None) -> str:
    return "no" if problem else "yes"


def _speed(rate: Rate) -> str:
    return f"{rate.median:,.0f} FPS +-{rate.spread / 2:.0%} (the network alone)"
