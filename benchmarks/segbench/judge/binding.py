"""Which stage of an artefact binds end to end: what would have to become faster for the whole to become faster."""

from segbench.results import ArtefactResult

_THREADS = (("decode", "shrink"), ("network",), ("draw", "write"))
"""What `segrun.pipeline.pipeline` does one after the other; these three go on at the same time."""

_NETWORK_PARTS = ("upload", "engine", "download")

_CPU_RUNNERS = ("OpenVINO", "ONNX Runtime")


def binding_sentence(result: ArtefactResult, cores: int) -> str:
    """Return which stage binds, in words with its milliseconds a frame.

    Three threads are at work at the same time: one decodes and shrinks, one waits for the network (on a GPU upload,
    engine and download together), one draws and writes. The thread that works longest for a frame sets the pace, and
    the stage that takes most of its time binds. But the stages on the CPU share its `cores`: if their work in all,
    spread over the cores, takes longer than that thread, the cores bind, and every stage there counts. A network on
    the CPU is counted with one core, as if it used no more, and one on a GPU with none.
    """
    stages = _stages(result)
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


def _stages(result: ArtefactResult) -> dict[str, float]:
    """Milliseconds a frame, the parts of a GPU's network in one."""
    stages = dict(result.stage_milliseconds)
    parts = [stages.pop(name) for name in _NETWORK_PARTS if name in stages]
    if "network" not in stages and parts:
        stages["network"] = sum(parts)
    return stages


def _threads(stages: dict[str, float]) -> list[tuple[str, ...]]:
    """The stages that were measured, thread by thread; one that is not known has a thread of its own."""
    known = [tuple(name for name in thread if name in stages) for thread in _THREADS]
    others = [(name,) for name in stages if not any(name in thread for thread in _THREADS)]
    return [thread for thread in [*known, *others] if thread]
