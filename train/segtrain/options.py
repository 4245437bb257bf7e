"""What `seg-train` is asked for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from segdata.options import Size
from segtrain.presets import PRESETS, Architecture, ArchitectureName, Block, EncoderName, LiteArchitecture, Upsample

PrecisionChoice = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
RegionLoss = Literal["none", "dice", "lovasz"]
Augmentation = Literal["none", "plain", "strong"]


@dataclass(frozen=True)
class TrainOptions:
    """The options of one training run.

    `output` None is `runs/unet-SIZE`. `size` picks DATASET/SIZE where DATASET holds several. The six options of the
    architecture replace those of the preset `arch` where they are given; `encoder`, with its `decoder_width`, stands
    instead of them all, starts from ImageNet weights and learns at `encoder_learning_rate`. An epoch is `passes` over
    the frames of train, after which the weights are scored and kept; `minutes` fits `epochs` to a time.
    `class_balance` is the exponent of `segtrain.losses.class_weights`, `average` the decay a step of the averaged
    weights, `clip` the largest norm of the gradient. `patience` is how many epochs may pass without a better mIoU.
    `teacher_share` is the weight of what the checkpoint `teacher` thinks of the frames, its logits divided by
    `temperature`; the labels have the rest. `hold_out` is the share of train that chooses the epoch; 0 leaves that to
    val. `truth` is a dataset of larger labels of the same val frames; without it, a sibling folder `256` is looked for.
    """

    dataset: Path
    output: Path | None = None
    size: Size | None = None
    arch: ArchitectureName = "small"
    width: int | None = None
    depth: int | None = None
    widest: int | None = None
    block: Block | None = None
    upsample: Upsample | None = None
    stem_stride: Literal[1, 2] | None = None
    encoder: EncoderName | None = None
    decoder_width: int | None = None
    epochs: int = 60
    passes: int = 1
    minutes: float | None = None
    patience: int | None = None
    batch_size: int = 16
    learning_rate: float = 4e-3
    encoder_learning_rate: float = 1e-3
    weight_decay: float = 5e-2
    class_balance: float = 0.5
    region_loss: RegionLoss = "dice"
    augment: Augmentation = "strong"
    average: float = 0.99
    clip: float = 1.0
    precision: PrecisionChoice = "auto"
    devices: int | None = None
    nodes: int = 1
    init: Path | None = None
    teacher: Path | None = None
    teacher_share: float = 0.5
    temperature: float = 2.0
    resume: bool = False
    hold_out: float = 0.0
    truth: Path | None = None
    tensorboard: bool = False
    seed: int = 0

    def architecture(self) -> Architecture | LiteArchitecture:
        """Return the network on the encoder, or the preset with what was asked for besides."""
        if self.encoder is not None:
            given = {} if self.decoder_width is None else {"decoder_width": self.decoder_width}
            return LiteArchitecture(self.encoder, **given)
        return replace(PRESETS[self.arch], **self.asked_of_preset())

    def asked_of_preset(self) -> dict[str, Any]:
        """Return the options of the architecture that were given, and replace those of the preset."""
        names = ("width", "depth", "widest", "block", "upsample", "stem_stride")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}
