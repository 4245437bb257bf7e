"""How a run's pictures look."""

from dataclasses import dataclass

from segrun.options import RunOptions, View


@dataclass(frozen=True)
class Look:
    """What pictures show: the options of seg-run by the same names, and `hidden`, names of classes left transparent."""

    view: View = "overlay"
    alpha: float = 0.5
    legend: bool = False
    outlines: bool = False
    show_fps: bool = False
    hidden: frozenset[str] = frozenset()

    @classmethod
    def asked(cls, options: RunOptions) -> "Look":
        """Return the look that `options` ask for."""
        return cls(options.view, options.alpha, options.legend, options.outlines, options.show_fps)
