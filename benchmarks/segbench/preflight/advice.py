"""What to do after a preflight: what to install, what to export."""

from segbench.preflight.found import EngineProbe, Gpu, Preflight
from segbench.results import Rate


def advise(found: Preflight) -> tuple[str, ...]:
    """Return what follows from what was found, a sentence a line."""
    if found.gpu is None:
        return (*_without_gpu(found), *_unsupported(found), *_for_cpu(found))
    if all(library.version is None for library in found.libraries):
        return ("install TensorRT: pip install 'edgeseg[tensorrt]', or 'edgeseg[rtx]' for TensorRT-RTX",)
    timed = [engine for engine in found.engines if engine.rate is not None]
    if not timed:
        return ("no engine could be timed: see what the engines' lines say", *_for_cpu(found))
    return (*_to_export(timed, found.gpu), *_doubts(found), *_unsupported(found))


def _without_gpu(found: Preflight) -> tuple[str, ...]:
    built = ", ".join(engine.precision for engine in found.engines if engine.problem is None)
    builds = f": {built} build{'s' if ',' not in built else ''} for {found.target}" if built else ""
    return (
        f"no GPU, so nothing was timed on one{builds}",
        "on the machine with the card this would time an engine of each precision: run seg-bench preflight there",
        "until then export all three: seg-export --all --cc 7.5",
    )


def _for_cpu(found: Preflight) -> tuple[str, ...]:
    timed = {probe.runner: probe.rate for probe in found.cpu if probe.rate is not None}
    if not timed:
        return ()
    fastest = max(timed, key=lambda runner: timed[runner].median)
    equals = [runner for runner in timed if runner != fastest and _reaches(timed[runner], timed[fastest])]
    tied = f"; {', '.join(equals)} as fast within the spread" if equals else ""
    return (f"on this CPU {fastest} is the fastest: {timed[fastest].median:,.0f} FPS, the network alone{tied}",)


def _to_export(timed: list[EngineProbe], gpu: Gpu) -> tuple[str, ...]:
    """The fastest precision, or the most exact of those as fast within the spread: `timed` goes from fp32 to int8."""
    rates = {engine.precision: engine.rate for engine in timed if engine.rate is not None}
    fastest = max(rates, key=lambda precision: rates[precision].median)
    chosen = next(precision for precision in rates if _reaches(rates[precision], rates[fastest]))
    tied = "" if chosen == fastest else f"; {fastest} is no faster beyond the spread, and less exact"
    others = ", ".join(f"{precision} {rate.median:,.0f}" for precision, rate in rates.items() if precision != chosen)
    beside = f" ({others})" if others else ""
    flavour = "rtx" if timed[0].flavour == "tensorrt-rtx" else "tensorrt"
    return (
        f"export {chosen}: {rates[chosen].median:,.0f} FPS here{beside}{tied}: "
        f"seg-export --{chosen} --cc {gpu.compute_capability} --engine {flavour}",
        "what it costs in accuracy, and the speed end to end, says: seg-bench ARTEFACTS --data DATASET",
    )


def _doubts(found: Preflight) -> tuple[str, ...]:
    if found.tensor_cores:
        return ()
    return ("no tensor cores: fp16 and int8 may be slower than fp32, so trust what was timed on this very card only",)


def _unsupported(found: Preflight) -> tuple[str, ...]:
    """TensorRT-RTX's support matrix (1.5) has fp32 and fp16 for compute capability 7.5, and no int8."""
    on_turing = found.gpu is None or found.gpu.compute_capability == "7.5"
    if not on_turing or not any(engine.flavour == "tensorrt-rtx" for engine in found.engines):
        return ()
    return ("int8 on compute capability 7.5 is not among what NVIDIA supports in TensorRT-RTX: take TensorRT for it",)


def _reaches(rate: Rate, best: Rate) -> bool:
    return max(rate.rounds) >= min(best.rounds)
