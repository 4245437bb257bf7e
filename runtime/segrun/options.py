"""What `seg-run` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.shipped import DEFAULT_ONNX

RunnerName = Literal["auto", "openvino", "onnxruntime"]
View = Literal["overlay", "mask", "side-by-side"]
Encoder = Literal["auto", "libx264", "h264_nvenc"]
MaskValues = Literal["ids", "colours"]
Audio = Literal["copy", "encode", "none"]


@dataclass(frozen=True)
class RunOptions:
    """The options of one run.

    `inputs` are videos, images, patterns of them, folders of images or videos, the number of a webcam, addresses (rtsp,
    http, rtmp, udp and others), pipes or "-" for standard input; each is a run of its own. `outputs` are files and
    folders, told apart by their names: a video, an image (.jpg, .png and others), a .gif, a .jsonl of facts, a folder
    (with "/" at its end) of PNG masks, "-" for raw labels on standard output, "none". In them, `{name}` stands for the
    input's name and, in names of images, `{frame}` for each frame's. The default is NAME.seg.mp4 for a video,
    NAME.seg.png for NAME.png, and a folder NAME.seg of images for a folder NAME of images.

    `view` is what videos, windows and previews show; `alpha` the share of the classes' colours in the overlay, 0 to 1;
    `audio` says what becomes of sound: copied where the file can hold it, else left out ("copy") or re-encoded
    ("encode"), or always left out ("none").
    `legend` names the classes and `show_fps` the speed in the picture. `mask_values` are what PNG masks hold.
    `start` and `duration` are seconds of the input, `every` takes only every Nth frame. `raw` says what frames
    standard input has if it is raw: WIDTHxHEIGHT[:FORMAT][@RATE]. `timeout` is how many seconds an address may say
    nothing, `reconnect` how many seconds to keep trying after that. `serve` is HOST:PORT of a live preview, `token` the
    word it asks for. `trust` runs an engine of other bytes than its manifest says: a plan is executable content, so
    only for one you built yourself.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    model: Path = DEFAULT_ONNX
    runner: RunnerName = "auto"
    trust: bool = False
    view: View = "overlay"
    alpha: float = 0.5
    legend: bool = False
    show_fps: bool = False
    mask_values: MaskValues = "ids"
    encoder: Encoder = "libx264"
    audio: Audio = "copy"
    start: float = 0.0
    duration: float | None = None
    every: int = 1
    raw: str | None = None
    timeout: float = 5.0
    reconnect: float = 30.0
    window: bool = False
    serve: str | None = None
    token: str | None = None
