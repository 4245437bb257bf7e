"""The options of `seg-train`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from segdata.command_line.option import argument, flag, option
from segdata.images.size import Size
from segtrain.network.presets import (
    PRESETS,
    Architecture,
    ArchitectureName,
    Block,
    Channels,
    EncoderName,
    Levels,
    LiteArchitecture,
    Upsample,
)

PrecisionChoice = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
LogName = Literal["tensorboard", "mlflow"]
RegionLoss = Literal["none", "dice", "lovasz"]
Augmentation = Literal["none", "plain", "strong"]
Device = Literal["auto", "cpu", "cuda"]


def _of_arch(text: str) -> Any:  # noqa: ANN401 - a field of any type
    return option(None, text, show_default="from --arch", group="Network")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of one training run.

    `output` None is `runs/unet-SIZE`. `size` picks DATASET/SIZE where DATASET holds several. The six options of the
    architecture replace those of the preset `arch` where they are given; `encoder`, with its `decoder_width`, stands
    instead of them all, starts from ImageNet weights and learns at `encoder_learning_rate`. An epoch is `passes` over
    the frames of train, after which the weights are scored and kept; `minutes` fits `epochs` to a time.
    `class_balance` is the exponent of `learning.balance.class_weights`, `average` the decay a step of the averaged
    weights, `clip` the largest norm of the gradient. `patience` is how many epochs may pass without a better mIoU.
    `teacher_share` is the weight of what the checkpoint `teacher` thinks of the frames, its logits divided by
    `temperature`; the labels have the rest. `hold_out` is the share of train that chooses the epoch; 0 leaves that to
    val. `truth` is a dataset of larger labels of the same val frames; without it, a sibling folder `256` is looked for.
    """

    dataset: Path = argument()
    output: Path | None = option(
        None, "Folder of the run.", "-o", "--output", metavar="FOLDER", show_default="runs/unet-SIZE"
    )
    size: Size | None = option(
        None,
        "Take DATASET/SIZE of a folder of several sizes.",
        "--size",
        "--imgsz",
        metavar="N|WxH",
        show_default="DATASET's",
    )
    arch: ArchitectureName = option("small", "Each costs 4 times the last.")
    width: Channels | None = _of_arch("Channels of the first level.")
    depth: Levels | None = _of_arch("Levels below the first; each halves the size.")
    widest: Channels | None = _of_arch("Channels that no level exceeds.")
    block: Block | None = _of_arch("Two convolutions, depthwise and pointwise ones, or two and a way around.")
    upsample: Upsample | None = _of_arch("How the decoder doubles its size.")
    stem_stride: Literal[1, 2] | None = _of_arch("2 works at half the size.")
    encoder: EncoderName | None = option(
        None, "A UNet on this EfficientNet-Lite instead of --arch, from ImageNet weights.", group="Network"
    )
    decoder_width: Channels | None = option(None, "Channels above --encoder.", show_default="32", group="Network")
    epochs: Annotated[int, Ge(1)] = option(60, "How often the weights are scored.")
    passes: Annotated[int, Ge(1)] = option(1, "Passes over the training frames an epoch.", group="Length")
    minutes: Annotated[float, Gt(0)] | None = option(None, "Choose --epochs to fit into this time.", group="Length")
    patience: Annotated[int, Ge(1)] | None = option(
        None, "Stop after so many epochs without a better mIoU on val.", group="Length"
    )
    batch_size: Annotated[int, Ge(1)] = option(16, "Frames a step.", "--batch-size", "--batch", group="Learning")
    learning_rate: Annotated[float, Gt(0)] = option(
        4e-3, "Peak of the one-cycle schedule.", "--learning-rate", "--lr", group="Learning"
    )
    encoder_learning_rate: Annotated[float, Gt(0)] = option(
        1e-3, "Peak of the schedule of --encoder.", group="Learning"
    )
    weight_decay: Annotated[float, Ge(0)] = option(5e-2, "AdamW's.", group="Learning")
    class_balance: Annotated[float, Ge(0), Le(1)] = option(
        0.5, "0 weighs every pixel alike, 1 every class.", group="Learning"
    )
    region_loss: RegionLoss = option("dice", "Added to cross-entropy.", group="Learning")
    augment: Augmentation = option(
        "strong", "strong adds other light, blur and noise to flips, crops and colours.", group="Learning"
    )
    average: Annotated[float, Ge(0), Lt(1)] = option(
        0.99, "Decay a step of the averaged weights, which are the ones kept.", group="Learning"
    )
    clip: Annotated[float, Gt(0)] = option(1.0, "Largest norm of the gradient.", group="Learning")
    precision: PrecisionChoice = option(
        "auto",
        "auto is the fastest that is safe; a CPU is measured, a GTX 16xx never gets float16.",
        group="Machine",
    )
    threads: Annotated[int, Ge(1)] | None = option(
        None, "Threads of a CPU.", show_default="one or all, whichever is faster", group="Machine"
    )
    device: Device = option("auto", "What trains; auto is every GPU that PyTorch finds, or the CPU.", group="Machine")
    devices: Annotated[int, Ge(1)] | None = option(
        None, "Processes a machine.", show_default="all GPUs, or 1 process", group="Machine"
    )
    nodes: Annotated[int, Ge(1)] = option(1, "Machines, under torchrun.", group="Machine")
    init: Path | None = option(
        None, "Begin with these weights, of any size.", metavar="NAME|CHECKPOINT", group="Other weights"
    )
    teacher: Path | None = option(
        None, "Also learn from the labels of this network.", metavar="NAME|CHECKPOINT", group="Other weights"
    )
    teacher_share: Annotated[float, Ge(0), Le(1)] = option(
        0.5, "The teacher's share of the loss; the labels have the rest.", group="Other weights"
    )
    temperature: Annotated[float, Gt(0)] = option(2.0, "Softens what the teacher thinks.", group="Other weights")
    resume: bool = flag("Go on with the run in the folder.")
    hold_out: Annotated[float, Ge(0), Le(0.5)] = option(
        0.0, "Share of train set apart to choose the epoch; 0 chooses it on val.", group="Scoring"
    )
    truth: Path | None = option(
        None,
        "Score val on larger labels, too.",
        metavar="DATASET",
        show_default="DATASET/../256 if there",
        group="Scoring",
    )
    log: LogName | None = option(None, "Tell the run to TensorBoard or MLflow, too.", group="Scoring")
    seed: Annotated[int, Ge(0)] = option(0, "Seed of weights, order and augmentation.", group="Learning")

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
