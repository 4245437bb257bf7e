"""A runner without a network: its labels are always the same, and it records its frames."""

import numpy as np

from segdata.labels import CITYSCAPES_29
from segdata.spec import ModelSpec
from segrun.runners.base import Frames, Inferred, Runner

SKY, PERSON = (CITYSCAPES_29.names.index(name) for name in ("sky", "person"))
SPEC = ModelSpec(
    32, 48, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", {"width": 16, "depth": 3}
)


class SkyAndPerson(Runner):
    """Predicts sky on the left and a person on the right of every frame; keeps the frames."""

    name, precision, computes, device = "test", "fp32", "f32", "none"
    spec = SPEC
    calibration_frames: frozenset[str] = frozenset()

    def __init__(self, fail_at: int | None = None, batch: int = 1) -> None:
        self.seen: list[Frames] = []
        self.batch = batch
        self._fail_at = fail_at

    def _free(self) -> None: ...

    def _infer(self, frames: Frames) -> Inferred:
        if len(self.seen) == self._fail_at:
            raise RuntimeError("the network broke")
        self.seen.append(frames.copy())
        labels = np.full(frames.shape[:3], SKY, dtype=np.uint8)
        labels[:, :, frames.shape[2] // 2 :] = PERSON
        return Inferred(labels)
