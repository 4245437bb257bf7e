"""What a preflight found."""

from dataclasses import dataclass

from segbench.preflight.installed import Extra
from segbench.results import Rate
from segdata.spec import Precision
from segrun.runners.tensorrt.manifest import Flavour


@dataclass(frozen=True)
class Gpu:
    """The first GPU: its name and driver, in the driver's words, and its compute capability ("7.5")."""

    name: str
    compute_capability: str
    driver: str


@dataclass(frozen=True)
class Library:
    """A TensorRT and its version, or the problem with it and how to fix it."""

    flavour: Flavour
    version: str | None
    problem: str | None = None


@dataclass(frozen=True)
class EngineProbe:
    """One precision: how many seconds its engine took to build, frames a second, or the problem with either."""

    precision: Precision
    flavour: Flavour
    build_seconds: float | None = None
    rate: Rate | None = None
    problem: str | None = None


@dataclass(frozen=True)
class CpuProbe:
    """A library that runs the model on the CPU: what it computes in and frames a second there, or the problem."""

    runner: str
    computes: str | None = None
    rate: Rate | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Preflight:
    """All that was found. `target` says, in words, what the engines were built for; `advice` what follows.

    `installed` are the parts of edgeseg. `gpu_problem` says why there is no GPU to use, and how to fix that;
    `tensor_cores` is None then.
    """

    model: str
    installed: tuple[Extra, ...]
    gpu: Gpu | None
    gpu_problem: str | None
    tensor_cores: bool | None
    libraries: tuple[Library, ...]
    target: str
    engines: tuple[EngineProbe, ...]
    cpu: tuple[CpuProbe, ...]
    advice: tuple[str, ...] = ()
