"""Finds the frames on which an artefact agrees least with its reference, in little memory for a video of any length."""

from segbench.results import WorstFrame

APART = 1.0  # seconds; the neighbours of a bad frame are as bad, and show nothing else


class WorstFrames:
    """Finds the `count` worst frames that are `APART` or more from each other.

    Only the worst frame of each whole second is a candidate. Each one taken rules out two others at most, those of the
    seconds before and after it: so the worst `3 * count` seconds are enough to know.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._of_second: dict[int, WorstFrame] = {}

    def add(self, frame: WorstFrame) -> None:
        """Take the next frame."""
        second = int(frame.seconds // APART)
        kept = self._of_second.get(second)
        if kept is None or frame.equal_pixels < kept.equal_pixels:
            self._of_second[second] = frame
        if len(self._of_second) > 3 * self._count:
            del self._of_second[max(self._of_second, key=lambda one: _badness(self._of_second[one]))]

    def chosen(self) -> tuple[WorstFrame, ...]:
        """Return the frames, worst first; fewer than `count` if the video is too short for them."""
        taken: list[WorstFrame] = []
        for frame in sorted(self._of_second.values(), key=_badness):
            if all(abs(frame.seconds - other.seconds) >= APART for other in taken):
                taken.append(frame)
        return tuple(taken[: self._count])


def _badness(frame: WorstFrame) -> tuple[float, float]:
    """Return what the worst frame has least of; of equally bad ones, the first."""
    return frame.equal_pixels, frame.seconds
