"""A small valid file of each kind that edgeseg reads, for tests that damage it."""

import json
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import torch

from helpers import sample_reports
from helpers.pyav import add_audio, add_video
from helpers.sound_labels import write_sound_labels
from segdata.files import sha256_of
from segdata.images.size import Size
from segdata.labels import CITYSCAPES_29
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.frame import prepare_pair
from segdata.prepare.journal import Journal
from segdata.prepare.plan import make_plan
from segdata.prepare.prepare import prepare
from segdata.spec import ModelSpec
from segdata.synth import drive
from segdata.synth.write import write_synthetic
from segexport.graph.to_onnx import to_onnx
from segexport.quantise.calibrate import CalibrationRanges
from segexport.quantise.to_int8 import to_int8
from segrun.runners.tensorrt.manifest import EngineManifest, manifest_path
from segtrain.history import EpochFigures
from segtrain.network.checkpoint import build_network, load_checkpoint, save_checkpoint
from segtrain.state import Position, save_state

SIDE = 32
FRAMES = 8  # of the small video
SPEC = ModelSpec(
    SIDE, SIDE, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet",
    {"width": 4, "depth": 1, "widest": 8, "block": "plain", "upsample": "transpose", "stem_stride": 1},
    metrics={"miou": 0.5},
)  # fmt: skip


def write_sound_files(folder: Path) -> None:
    """Write a folder for each kind into `folder`; its files belong together."""
    torch.manual_seed(0)
    _write_videos(folder / "video")
    _write_models(folder)
    _write_dataset(folder)
    _write_label_spaces(folder / "labels")
    _write_report(folder / "report")
    write_sound_labels(folder)


def prepare_options(source: Path, target: Path) -> PrepareOptions:
    """Return the options of the preparation that began the journal."""
    return PrepareOptions(source=source, target=target, sizes=(Size(SIDE, SIDE),))


def _write_videos(folder: Path) -> None:
    images = [made.image for made in drive(3, 48, 64, FRAMES, 25.0)]
    pictures = folder / "images"
    pictures.mkdir(parents=True)
    for suffix, codec, sound in ((".mp4", "libx264", "aac"), (".mkv", "libx264", None), (".gif", "gif", None)):
        with av.open(str(folder / f"street{suffix}"), "w") as container:
            audio = add_audio(container, sound, 16000, layout="mono") if sound else None
            stream = add_video(container, codec, 25)
            stream.height, stream.width = 48, 64
            stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
            for image in images:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
            if audio:
                for start in range(0, 4096, 1024):
                    samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                    samples.sample_rate, samples.pts = 16000, start
                    container.mux(audio.encode(samples))
                container.mux(audio.encode())
    for index, image in enumerate(images[:4]):
        assert cv2.imwrite(str(pictures / f"{index}.{('png', 'jpg')[index % 2]}"), image)


def _write_models(folder: Path) -> None:
    checkpoints, models, engines, run = (folder / name for name in ("checkpoint", "onnx", "engine", "run"))
    for made in (checkpoints, models, engines, run):
        made.mkdir()
    checkpoint = checkpoints / "tiny.safetensors"
    save_checkpoint(checkpoint, build_network(SPEC), SPEC)
    network, spec = load_checkpoint(checkpoint)
    float_model = to_onnx(network, spec, "fp32")
    ranges = CalibrationRanges(
        weights_sha256=sha256_of(checkpoint),
        frames_sha256="f" * 64,
        frames=("0" * 16, "1" * 16),
        method="percentile 99.999",
        ranges={name: (-4.0, 4.0) for node in float_model.graph.node for name in (*node.input, *node.output) if name},
    )
    (checkpoints / "tiny.calibration.json").write_text(ranges.to_json())
    for precision, model in (
        ("fp32", float_model), ("fp16", to_onnx(network, spec, "fp16")), ("int8", to_int8(float_model, ranges))
    ):  # fmt: skip
        onnx.save(model, models / f"tiny.{precision}.onnx")
    _write_engine(engines / "tiny.fp32.sm75.engine", models / "tiny.fp32.onnx", spec)
    optimizer = torch.optim.AdamW(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    figures = EpochFigures(1, 1.0, 0.1, 0.2, 1.5, 0.1, 0.1, 0.5, 1e-3, 10.0, 0.1)
    position = Position({"seed": 0, "batch_size": 4}, 2, [figures])
    average = torch.optim.swa_utils.AveragedModel(network, use_buffers=True)
    save_state(run / "last.safetensors", network, average, optimizer, position)


def _write_engine(path: Path, model: Path, spec: ModelSpec) -> None:
    path.write_bytes(b"a plan is opaque bytes")
    shutil.copy(model, path.parent)
    manifest = EngineManifest(
        engine_sha256=sha256_of(path),
        onnx=model.name,
        onnx_sha256=sha256_of(model),
        spec=spec,
        precision="fp32",
        flavour="tensorrt-rtx",
        version="1.2.0.54",
        target="any GPU of compute capability 7.5",
        compute_capability="7.5",
        calibration_sha256=None,
        verified_on="none: built, not run",
        rebuild="seg-export tiny.safetensors --fp32 --cc 7.5",
    )
    manifest_path(path).write_text(manifest.to_json())


def _write_dataset(folder: Path) -> None:
    source = folder / "source"
    write_synthetic(SynthOptions(target=source, train=4, val=6, size=Size(SIDE, SIDE), seconds=0))
    target = folder / "dataset"
    prepare(prepare_options(source, target))
    # What an interrupted run leaves: the arrays, and a journal of some of the frames.
    partial = folder / "partial"
    plan = make_plan(prepare_options(source, target))
    with Journal(partial, plan.sha256()) as journal:
        for name, index, pair in plan.frames()[:7]:
            journal.add(prepare_pair(pair, plan.space, plan.sizes, (name, index)).done)
    for array in target.glob("*.npy"):
        shutil.copy(array, partial)


def _write_label_spaces(folder: Path) -> None:
    folder.mkdir()
    classes = [{"name": "road", "colour": [128, 64, 128], "ids": [7]}, {"name": "sky", "colour": [1, 2, 3], "ids": [1]}]
    (folder / "own.json").write_text(json.dumps({"name": "own", "classes": classes}))
    tables = [
        f'[[classes]]\nname = "{entry["name"]}"\ncolour = {entry["colour"]}\nids = {entry["ids"]}\n'
        for entry in classes
    ]
    (folder / "own.toml").write_text('name = "own"\n' + "".join(tables))


def _write_report(folder: Path) -> None:
    folder.mkdir()
    report = sample_reports.made_report()
    for name in ("before", "after"):
        (folder / f"{name}.json").write_text(report.to_json())
