"""The options of `seg-run`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from segdata.command_line.option import TIME, argument, flag, option
from segdata.formats.writing.names import MaskFormat
from segdata.video.encoder import Encoder

RunnerName = Literal["auto", "openvino", "onnxruntime"]
Arithmetic = Literal["auto", "f32", "bf16", "f16"]
View = Literal["overlay", "mask", "side-by-side", "confidence"]
Palette = Literal["model", "vivid"]
MaskValues = Literal["ids", "colours", "confidence"]
Audio = Literal["copy", "encode", "none"]

SERVED_AT = "127.0.0.1:8080"

_OUTPUT = (
    "Where the result goes, by its name as listed above; any number.  [default: {name}.seg.mp4; an image for an image]"
)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of one run.

    `inputs` are videos, images, patterns of them, folders of images or videos, the number of a webcam, addresses (rtsp,
    http, rtmp, udp and others), pipes or "-" for standard input; each is a run of its own, one after the other, or all
    at the same time if `together`. `outputs` are files and folders, told apart by their names: a video, an image (.jpg,
    .png and others), a .gif, a .jsonl of facts, a .labels.mkv of class ids, a .coco.json, a folder (with "/" at its
    end) of masks, "-" for raw labels on standard output, "none". In them, `{name}` stands for the input's name and, in
    names of images, `{frame}` for each frame's. The default is NAME.seg.mp4 for a video, NAME.seg.png for NAME.png, and
    a folder NAME.seg of images for a folder NAME of images.

    `view` is what videos, windows and previews show; `alpha` the share of the classes' colours in the overlay, 0 to 1;
    `audio` says what to do with sound: copy it where the file can hold it, else leave it out ("copy") or re-encode it
    ("encode"), or always leave it out ("none").
    `legend` names the classes that are there and `show_fps` the speed in the picture; `outlines` draws where classes
    meet. `classes` are those that the model's are merged into, a label space by its name or file, and `palette` the
    colours. Each pixel gets its commonest class in `smooth` frames, an odd number. All outputs have these
    classes, colours and votes. `mask_format` is what a folder of masks gets, `with_images` puts the frames beside them
    in any format but "png", and `mask_values` are what those PNGs hold. Pixels whose probability is below
    `min_confidence` have no class: 255. `start` and `duration` are seconds of the input,
    `every` takes only every Nth frame. `raw` describes the frames of raw standard input:
    WIDTHxHEIGHT[:FORMAT][@RATE]. `timeout` is how many seconds an address may be silent, `reconnect` how many seconds
    to keep trying after that. `serve` is HOST:PORT of a live preview, `metrics` that of figures for Prometheus alone,
    `token` the word that both ask for. `trust` runs an engine of other bytes than its manifest says: a plan is
    executable content, so only for one you built yourself. `listed` are many videos, instead of `inputs`: a list of
    paths, a folder or a pattern; in `outputs`, `{path}` is a video's path below their root then. `receipts` is the
    folder of their receipts, `shard` ("3/16") which share of them this run does. `ray` is the address of a Ray cluster
    that does them, "local" one of this machine, and `cpus_per_video` how many of its cores each video has.
    """

    inputs: tuple[str, ...] = argument((), metavar="INPUT...")
    outputs: tuple[str, ...] = option((), _OUTPUT, "-o", "--output", metavar="NAME")
    model: Path | None = option(
        None, "A shipped model by its name, or a file of seg-export.", metavar="NAME|FILE", show_default="unet-256-lite"
    )
    start: Annotated[float, Ge(0), TIME] = option(
        0.0, "Begin there: seconds, or 00:01:30.", metavar="TIME", group="Input"
    )
    duration: Annotated[float, Gt(0), TIME] | None = option(
        None, "Take so much.", metavar="TIME", show_default="all", group="Input"
    )
    together: bool = flag("Do all inputs at the same time, with one model.", group="Input")
    every: Annotated[int, Ge(1)] = option(1, "Take only every Nth frame.", metavar="N", group="Input")
    raw: str | None = option(
        None, "What raw frames standard input has, as 1280x720:rgb24@25.", metavar="WxH[:FORMAT][@RATE]", group="Input"
    )
    timeout: Annotated[float, Gt(0)] = option(
        5.0, "How long an address may be silent.", metavar="SECONDS", group="Input"
    )
    reconnect: Annotated[float, Ge(0)] = option(
        30.0, "How long to keep trying an address after that.", metavar="SECONDS", group="Input"
    )
    runner: RunnerName = option("auto", "What runs an .onnx; auto is OpenVINO.", group="Model and speed")
    arithmetic: Arithmetic = option(
        "auto", "What floats are computed in on a CPU; auto is the fastest here, measured.", group="Model and speed"
    )
    device: str = option(
        "auto",
        "What runs the network: cpu, a GPU by its number, or all GPUs, each with inputs of its own; auto is a GPU that "
        "has an engine, else the CPU.",
        metavar="auto|cpu|N|all",
        group="Model and speed",
    )
    trust: bool = flag("Run a TensorRT engine whose hash is not its manifest's.", group="Model and speed")
    view: View = option("overlay", "What videos, windows and previews show.")
    alpha: Annotated[float, Ge(0), Le(1)] = option(
        0.5, "How strongly the classes' colours cover the frame.", group="Picture"
    )
    legend: bool = flag("Name the classes that are there, the largest first; side by side, under the picture.")
    classes: str | None = option(
        None,
        "Merge the model's classes: cityscapes-19, cityscapes-8, or a label space in a .toml file.",
        metavar="NAME|FILE",
        show_default="the model's",
        group="Picture",
    )
    palette: Palette = option("model", "The model's own colours, or brighter ones.", group="Picture")
    outlines: bool = flag("Draw a bright line where classes meet.", group="Picture")
    smooth: Annotated[int, Ge(1), Le(31)] = option(
        1, "Have N frames vote on each pixel, against shimmer; an odd number.", metavar="N", group="Picture"
    )
    min_confidence: Annotated[float, Ge(0), Le(1)] = option(
        0.0, "Leave pixels of a lower probability without a class; needs a model with --confidence.", group="Picture"
    )
    show_fps: bool = flag("Show the speed in the picture.", group="Picture")
    mask_format: MaskFormat = option(
        "png",
        "What a folder NAME/ gets a frame: a PNG, COCO's run lengths, or labelme's polygons; or what the tool reads.",
        group="Output",
    )
    mask_values: MaskValues = option("ids", "What PNG masks hold.", group="Output")
    with_images: bool = flag("Put the frames beside the masks of the other formats.", group="Output")
    encoder: Encoder = option("libx264", "What encodes video; auto is the graphics card if it can.", group="Output")
    audio: Audio = option(
        "copy", "What becomes of sound: copied, re-encoded where the file cannot hold it, or left out.", group="Output"
    )
    window: bool = flag("Show the result in a window; q closes it.", group="Picture")
    serve: str | None = option(
        None,
        "Show the result in a browser, at 127.0.0.1:8080 if no other address is named.",
        metavar="[HOST:PORT]",
        is_flag=False,
        flag_value=SERVED_AT,
    )
    metrics: str | None = option(
        None, "Tell Prometheus how the run goes; --serve does so at /metrics.", metavar="HOST:PORT", group="Output"
    )
    listed: str | None = option(
        None,
        "Do many videos, with a receipt for each: a list of paths, a folder, or a pattern.",
        "--from",
        metavar="LIST",
        group="Many videos",
    )
    receipts: Path = option(
        Path("receipts"), "Where the receipts of --from are.", metavar="FOLDER", group="Many videos"
    )
    shard: str | None = option(
        None,
        "Of --from, do this share.",
        metavar="K/N",
        show_default="what Kubernetes or SLURM says, or all",
        group="Many videos",
    )
    ray: str | None = option(
        None,
        "Of --from, do the videos on a Ray cluster: HOST:PORT, auto for the one that runs here, local for one made of "
        "this machine.",
        metavar="[ADDRESS]",
        is_flag=False,
        flag_value="local",
        group="Many videos",
    )
    cpus_per_video: Annotated[int, Ge(1)] = option(
        2, "How many cores a video has on a Ray cluster.", metavar="N", group="Many videos"
    )
    token: str | None = option(
        None, "What the browser must say; needed for addresses others can reach.", metavar="WORD", group="Picture"
    )
