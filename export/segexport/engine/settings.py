"""The settings of a TensorRT builder: the GPU an engine is for, limits, effort, timing cache."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segdata.errors import InputError
from segdata.files import replacing
from segdata.text import printable
from segexport.options import EngineOptions
from segrun.runners.tensorrt.library import TensorRT

OPTIMIZATION_LEVELS = range(6)
"""TensorRT accepts any number and clamps it silently."""


@dataclass(frozen=True)
class Target:
    """The GPU an engine is for: in words, and as a compute capability such as "7.5"."""

    description: str
    compute_capability: str

    @property
    def tag(self) -> str:
        """The form in file names: sm75."""
        return "sm" + self.compute_capability.replace(".", "")


def choose_target(library: TensorRT, compute_capability: str) -> Target:
    """Return what `library` builds for here: any named capability with TensorRT-RTX, else the GPU of this machine.

    Raises InputError if TensorRT-RTX does not know the capability, or if this machine's GPU has another one;
    MissingDependencyError if TensorRT finds no GPU.
    """
    if library.flavour == "tensorrt-rtx":
        capability_of(library, compute_capability)
        return Target(f"any GPU of compute capability {compute_capability}", compute_capability)
    from segrun.runners.tensorrt.driver import first_device

    name, found, _ = first_device()
    if found != compute_capability:
        raise InputError(
            f"got --cc {compute_capability} but this machine's {name} has {found}, and TensorRT builds for the GPU at "
            f"hand: use --cc {found}, or TensorRT-RTX (--engine rtx)"
        )
    return Target(name, found)


def check_build_options(library: TensorRT, options: EngineOptions) -> None:
    """Raise InputError for options that are out of range or not for `library`."""
    level, workspace = options.optimization_level, options.workspace_mb
    if level is not None and level not in OPTIMIZATION_LEVELS:
        raise InputError(f"got builder optimisation level {level}, need 0 (fastest build) to 5 (fastest engine)")
    if workspace is not None and workspace < 1:
        raise InputError(f"got a workspace of {workspace} MB, need 1 or more")
    if library.flavour != "tensorrt-rtx":
        return
    if options.timing_cache is not None:
        raise InputError(
            f"got timing cache {options.timing_cache}, but TensorRT-RTX times nothing when it builds, and a cache "
            "would make it ask for a GPU: leave it out, or use --engine tensorrt"
        )


def configure(library: TensorRT, config: Any, options: EngineOptions) -> None:  # noqa: ANN401 - of the library
    """Set `options` on an IBuilderConfig, except for the timing cache."""
    trt: Any = library.module
    # The engine then lists every layer's precision and kernel in its inspector, at no cost in speed.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if options.workspace_mb is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level


def set_target(library: TensorRT, config: Any, compute_capability: str) -> None:  # noqa: ANN401 - of the library
    """Have TensorRT-RTX build for a capability such as "7.5"; TensorRT can only build for the GPU at hand.

    Raises InputError if TensorRT-RTX does not know the capability.
    """
    if library.flavour == "tensorrt-rtx":
        config.num_compute_capabilities = 1
        config.set_compute_capability(capability_of(library, compute_capability), 0)


def capability_of(library: TensorRT, compute_capability: str) -> Any:  # noqa: ANN401 - an enum of the library
    """Return TensorRT-RTX's enum of a capability such as "7.5"; raise InputError with its choices if there is none."""
    known = {
        f"{name[2:-1]}.{name[-1]}": value
        for name, value in library.module.ComputeCapability.__members__.items()
        if name.startswith("SM")
    }
    if compute_capability not in known:
        choices = ", ".join(sorted(known, key=float))
        raise InputError(f"got compute capability {compute_capability!r}, need one of {choices}")
    return known[compute_capability]


def open_timing_cache(library: TensorRT, config: Any, logger: Any, path: Path) -> Any:  # noqa: ANN401 - of the library
    """Give `config` the timing cache at `path`, an empty one if there is no such file, and return it.

    Keep it until the engine is built. Raises InputError for a file that cannot be read, is not a timing cache, or is
    of another GPU or version of TensorRT.
    """
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as failure:
        reason = failure.strerror or failure
        raise InputError(f"timing cache {path} cannot be read: {reason}; name another file") from None
    logger.take_problems()
    cache = config.create_timing_cache(content)
    # TensorRT only warns of bytes it cannot use, and makes an empty cache, which would then overwrite the file.
    problems = logger.take_problems() if content else []
    if cache is None or problems or not config.set_timing_cache(cache, False):
        reason = printable("; ".join(problems or logger.take_problems())) or "no reason given"
        raise InputError(
            f"timing cache {path} is broken, or of another GPU or version than {library.flavour} {library.version} "
            f"here ({reason}); delete it or name another file"
        )
    return cache


def save_timing_cache(cache: Any, path: Path) -> None:  # noqa: ANN401 - of the library
    """Write the kernel timings of the build to `path`; raise InputError if that fails."""
    with replacing(path) as temporary:
        temporary.write_bytes(bytes(cache.serialize()))
