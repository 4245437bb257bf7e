"""What follows from a benchmark's figures, in sentences."""

from collections.abc import Iterator, Sequence

from segbench.estimate import Estimate
from segbench.judge.binding import binding_sentence
from segbench.judge.recommendation import Demands, recommend
from segbench.results import ArtefactResult, Verdict


def verdict(
    results: Sequence[ArtefactResult],
    max_drop: float | None,
    target_fps: float | None,
    min_miou: float | None,
    cores: int,
    estimates: Sequence[Estimate] = (),
) -> Verdict:
    """Return which stage binds each of `results`, one or more, how far from its roofline it is, and which to take.

    `max_drop` and `min_miou` are in points of mIoU, `target_fps` in frames a second end to end; None asks for nothing.
    `cores` are those that the stages on the CPU share. An artefact is held against the one of `estimates` that is of
    the same bytes, and only where that is of the very device that was measured, by name: a CPU's figure never stands
    beside a GPU's roofline.
    """
    recommended, reasons = recommend(results, Demands(max_drop, target_fps, min_miou))
    binding = [binding_sentence(result, cores) for result in results]
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
