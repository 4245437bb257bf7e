"""Conclusions from a benchmark's figures, and doubts about them, in sentences."""

from collections.abc import Iterator, Sequence

from segbench.estimate import Estimate
from segbench.judge.recommendation import Demands, recommend
from segbench.results import ArtefactResult, Machine, Verdict

_THREADS = (("decode", "shrink"), ("network",), ("draw", "write"))
"""The stages of `segrun.pipeline`, thread by thread: the threads work at the same time."""

SPREAD_LIMIT = 0.05
"""Rounds that lie further apart than this, as a fraction of their median, give a warning."""

_CPU_RUNNERS = ("OpenVINO", "ONNX Runtime")


def verdict(
    results: Sequence[ArtefactResult], demands: Demands, cores: int, estimates: Sequence[Estimate] = ()
) -> Verdict:
    """Return which stage binds each of `results`, one or more, how far from its roofline it is, and which to take.

    `cores` are those that the stages on the CPU share. An artefact is compared with the one of `estimates` that has
    the same bytes, and only if that is for the measured device, by name: a CPU's figure is never compared with a GPU's
    roofline.
    """
    recommended, reasons = recommend(results, demands)
    binding = [_binding(result, cores) for result in results]
    return Verdict(recommended, (*binding, *_rooflines(results, estimates), *reasons))


def doubts(results: Sequence[ArtefactResult], before: Machine, after: Machine) -> list[str]:
    """Return the reasons to doubt the figures."""
    found = []
    if wide := [f"{result.artefact} ({spreads})" for result in results if (spreads := _wide_spreads(result))]:
        found.append(
            f"rounds of FPS lie over {SPREAD_LIMIT:.0%} apart (a quiet machine and more --rounds help): "
            f"{', '.join(wide)}"
        )
    if before.load is not None and before.load > before.cores / 2:
        found.append(f"the machine was busy before: a load of {before.load:.1f} on {before.cores} cores")
    for when, machine in (("before", before), ("after", after)):
        if machine.card and machine.card.throttled_by:
            found.append(f"the card was slowed down by {', '.join(machine.card.throttled_by)} {when} the measurement")
    return found


def _wide_spreads(result: ArtefactResult) -> str:
    rates = {"engine": result.engine, "end-to-end": result.end_to_end}
    return ", ".join(f"{what} {rate.spread:.0%}" for what, rate in rates.items() if rate.spread > SPREAD_LIMIT)


def _rooflines(results: Sequence[ArtefactResult], estimates: Sequence[Estimate]) -> Iterator[str]:
    for result in results:
        for estimate in estimates:
            if estimate.sha256 == result.sha256 and estimate.device.is_called(result.device):
                bound, found = estimate.frames_a_second, result.engine.median
                yield (
                    f"{result.artefact}: the engine reaches {found:,.0f} FPS, {found / bound:.0%} of the {bound:,.0f} "
                    f"that a {estimate.device.name} could do at most (roofline, an estimate)"
                )


def _binding(result: ArtefactResult, cores: int) -> str:
    """Return which stage binds, in words with its milliseconds a frame.

    Three threads are at work at the same time: one decodes and shrinks, one waits for the network, one draws and
    writes. The thread that works longest for a frame sets the pace, and
    the stage that takes most of its time is the bottleneck. But the stages on the CPU share its `cores`: if their total
    work, spread over the cores, takes longer than that thread, the cores are the bottleneck, and every stage there
    counts. A network on the CPU counts as using one core, and one on a GPU none.
    """
    stages = result.stage_milliseconds
    frame = 1000 / result.end_to_end.median
    thread = max(_threads(stages), key=lambda names: sum(stages[name] for name in names))
    work = sum(stages[name] for name in thread)
    on_cores = {name: spent for name, spent in stages.items() if name != "network" or _runs_on_cpu(result)}
    if sum(on_cores.values()) / cores > work:
        longest = max(on_cores, key=on_cores.__getitem__)
        return (
            f"{result.artefact}: the {cores} cores bind: the stages on them work {sum(on_cores.values()):.1f} ms a "
            f"frame, and a frame takes {frame:.1f} ms; {longest} works longest, {on_cores[longest]:.1f} ms"
        )
    stage = max(thread, key=stages.__getitem__)
    others = " and ".join(name for name in thread if name != stage)
    shared = f" ({work:.1f} with {others}, which takes turns with it)" if others else ""
    return f"{result.artefact}: {stage} binds: {stages[stage]:.1f} of {frame:.1f} ms a frame{shared}"


def _runs_on_cpu(result: ArtefactResult) -> bool:
    """Whether the network ran on the CPU, beside the other stages."""
    return result.runner in _CPU_RUNNERS


def _threads(stages: dict[str, float]) -> list[tuple[str, ...]]:
    """The measured stages, thread by thread; an unknown one has its own thread."""
    known = [tuple(name for name in thread if name in stages) for thread in _THREADS]
    others = [(name,) for name in stages if not any(name in thread for thread in _THREADS)]
    return [thread for thread in [*known, *others] if thread]
