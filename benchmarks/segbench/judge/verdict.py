"""Conclusions from a benchmark's figures, in sentences."""

from collections.abc import Iterator, Sequence

from segbench.estimate import Estimate
from segbench.judge.recommendation import Demands, recommend
from segbench.results import ArtefactResult, Verdict

_THREADS = (("decode", "shrink"), ("network",), ("draw", "write"))
"""The stages of `segrun.pipeline`, thread by thread: the threads work at the same time."""

_CPU_RUNNERS = ("OpenVINO", "ONNX Runtime")


def verdict(
    results: Sequence[ArtefactResult], demands: Demands, cores: int, estimates: Sequence[Estimate] = ()
) -> Verdict:
    """Return which stage binds each of `results`, one or more, how far from its roofline it is, and which to take.

    `cores` are those that the stages on the CPU share. An artefact is held against the one of `estimates` that is of
    the same bytes, and only where that is of the device that was measured, by name: a CPU's figure is never
    compared with a GPU's roofline.
    """
    recommended, reasons = recommend(results, demands)
    binding = [_binding(result, cores) for result in results]
    return Verdict(recommended, (*binding, *_rooflines(results, estimates), *reasons))


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
    the stage that takes most of its time binds. But the stages on the CPU share its `cores`: if their work in all,
    spread over the cores, takes longer than that thread, the cores bind, and every stage there counts. A network on
    the CPU is counted with one core, as if it used no more, and one on a GPU with none.
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
    """The stages that were measured, thread by thread; one that is not known has a thread of its own."""
    known = [tuple(name for name in thread if name in stages) for thread in _THREADS]
    others = [(name,) for name in stages if not any(name in thread for thread in _THREADS)]
    return [thread for thread in [*known, *others] if thread]
