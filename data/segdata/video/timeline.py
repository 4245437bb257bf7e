"""Times of a stream that always go on."""


class Timeline:
    """Keeps the times of a stream as they are while they increase.

    Where they go back, as in recordings that were put one after the other, what follows is shown after what was before;
    where there is none, one step after the last.
    """

    def __init__(self) -> None:
        self._shift = 0
        self._last: int | None = None
        self._expected = 0

    def continued(self, time: int | None, step: int) -> int:
        """Return when what has `time` and lasts `step`, both in the stream's unit, is shown."""
        shown = self._expected if time is None else time + self._shift
        if time is not None and self._last is not None and shown <= self._last:
            shown = self._expected
            self._shift = shown - time
        self._last = shown
        self._expected = shown + max(step, 1)
        return shown
