"""The kinds of file that edgeseg reads: how each is damaged, and read as the commands read it."""

import io
import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import onnx
import torch
from rich.console import Console

from helpers.damage import damaged, damaged_json, damaged_xml, strange_number
from helpers.graph_damage import damaged_graph
from helpers.sound_files import FRAMES, SIDE, SPEC, prepare_options
from segdata.dataset.dataset import Dataset
from segdata.errors import EdgeSegError, IncompleteError
from segdata.prepare.label_files import find_label_space
from segdata.prepare.prepare import prepare
from segdata.spec import ModelSpec
from segexport.graph.onnx_file import read_onnx
from segexport.inspect.inspection import inspect_file, render, to_json
from segexport.quantise.calibrate import read_ranges
from segexport.quantise.to_int8 import to_int8
from segrun.options import RunOptions
from segrun.run import run
from segrun.runners.base import Runner
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segrun.runners.open import open_runner
from segrun.runners.openvino import OpenVINORunner
from segtrain.history import best_of, overfits, write_history
from segtrain.network.checkpoint import build_network, load_checkpoint
from segtrain.state import load_state, read_position


@dataclass(frozen=True)
class Kind:
    """A kind of file: one of its valid `files` is damaged; the rest of the folder stays valid.

    `read` reads the damaged file of a folder as a command does; it raises EdgeSegError or AssertionError.
    """

    files: tuple[str, ...]
    damage: Callable[[bytes, Random], bytes]
    read: Callable[[Path, Path], None]


_places: list[Path] = []


def use_sound_files(folder: Path) -> None:
    """Set where the valid files are."""
    _places[:] = [folder]


def _sound() -> Path:
    return _places[0]


# --- how files are damaged


def _text(data: bytes, random: Random) -> bytes:
    """Damage JSON by its values, or as bytes."""
    if random.random() < 0.25:
        return damaged(data, random)
    return damaged_json(data.decode(), random).encode()


def _xml(data: bytes, random: Random) -> bytes:
    """Damage XML by its elements, or as bytes."""
    if random.random() < 0.25:
        return damaged(data, random)
    return damaged_xml(data.decode(), random).encode()


def _lines(data: bytes, random: Random) -> bytes:
    """Damage one line of JSON lines, or the bytes."""
    if random.random() < 0.25:
        return damaged(data, random)
    lines = data.splitlines()
    index = random.randrange(len(lines))
    lines[index] = damaged_json(lines[index].decode(), random).encode()
    return b"\n".join(lines) + b"\n"


def _safetensors(data: bytes, random: Random) -> bytes:
    """Damage the header of safetensors by its values, the JSON within it, the size it declares, or the bytes."""
    way = random.random()
    length = int.from_bytes(data[:8], "little")
    if way < 0.3:
        return damaged(data, random)
    if way < 0.35:
        return (strange_number(random) % 2**64).to_bytes(8, "little") + data[8:]
    header = json.loads(data[8 : 8 + length])
    metadata = header["__metadata__"]
    key = next(iter(metadata))
    if way < 0.75:
        metadata[key] = damaged_json(metadata[key], random)
        text = json.dumps(header)
    else:
        text = damaged_json(json.dumps(header), random)
    encoded = text.encode()
    return len(encoded).to_bytes(8, "little") + encoded + data[8 + length :]


def _npy(data: bytes, random: Random) -> bytes:
    """Damage the header of an array, where most can go wrong, or the bytes."""
    if random.random() < 0.3:
        return damaged(data, random)
    header = data[10:128].decode().rstrip()
    changes = [
        ("'|u1'", random.choice(("'|O'", "'<f8'", "'|u2'", "'|S100'", "[('a', '|u1')]", "'|V0'", "1", "(" * 5000))),
        ("False", random.choice(("True", "None", "0", "__import__('os')"))),
        (str(SIDE), str(strange_number(random))),
        (str(SIDE), random.choice(("-1", "1e400", "9" * 100, "''", "None", "[" * 200 + "]" * 200, f"{SIDE}L"))),
        ("{", random.choice(("{'more': 1, ", "", "[" * 9000, "\\n"))),
    ]
    for old, new in random.sample(changes, random.choice((1, 1, 2))):
        header = header.replace(old, new, 1)
    encoded = header.encode().ljust(117) + b"\n"
    version = random.choice((1, 1, 1, 2, 3, 9))
    length = len(encoded) if random.random() < 0.9 else strange_number(random) % 65_536
    size = (length % 65_536).to_bytes(2, "little") if version == 1 else length.to_bytes(4, "little")
    return b"\x93NUMPY" + bytes((version, 0)) + size + encoded + data[128:]


def _png(data: bytes, random: Random) -> bytes:
    """Damage what chunks of a PNG hold, with sizes and checksums that are right, or the bytes."""
    if random.random() < 0.5:
        return damaged(data, random)
    at, made, chosen = 8, data[:8], random.choice((b"IHDR", b"IHDR", b"PLTE", b"IDAT", b"IEND"))
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        kind, held = data[at + 4 : at + 8], data[at + 8 : end]
        if kind == chosen:
            held = damaged(held, random) if kind != b"IHDR" or random.random() < 0.3 else _header(held, random)
        made += len(held).to_bytes(4, "big") + kind + held + zlib.crc32(kind + held).to_bytes(4, "big")
        at = end + 4
    return made


def _header(held: bytes, random: Random) -> bytes:
    """Damage the width, height, depth or kind of a PNG."""
    changed = bytearray(held)
    place = random.choice((0, 4, 8, 9, 10, 11, 12))
    if place < 8:
        changed[place : place + 4] = (strange_number(random) % 2**32).to_bytes(4, "big")
    else:
        changed[place] = random.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    return bytes(changed)


def _boxes(data: bytes, random: Random) -> bytes:
    """Damage a video: the sizes and fields of an MP4's boxes more than the rest, or the bytes."""
    if random.random() < 0.5 or data[4:8] != b"ftyp":
        return damaged(data, random)
    changed = bytearray(data)
    names = (b"moov", b"mdat", b"trak", b"stsz", b"stts", b"stco", b"stsc", b"stsd", b"avcC", b"tkhd", b"mvhd", b"mdhd",
             b"ctts", b"elst", b"esds", b"hdlr", b"avc1", b"dref")  # fmt: skip
    for _ in range(random.choice((1, 2, 3))):
        place = data.find(random.choice(names))
        if place < 4:
            continue
        offset = place - 4 if random.random() < 0.4 else place + 4 + random.randrange(60)
        width = random.choice((2, 4, 4, 8))
        changed[offset : offset + width] = (strange_number(random) % 256**width).to_bytes(width, "big")
    return bytes(changed)


# --- how files are read


@cache
def _runner() -> Runner:
    return open_runner(_sound() / "onnx/tiny.fp32.onnx")


def _read_video(path: Path, case: Path) -> None:
    word = path.parent if path.parent.name == "images" else path
    number = sum(path.read_bytes()[:1000]) if path.is_file() else 0
    start = (0.0, 0.1)[number % 2]
    outputs = (("out.mp4", "out.jsonl"), ("out.mp4", "out.gif"), ("masks/", "out.jsonl"))[number % 3]
    options = RunOptions(inputs=(str(word),), outputs=tuple(f"{case}/{name}" for name in outputs), start=start)
    report = run(options, _runner())
    assert report.frames_read == report.frames_shown
    assert all(output.exists() and case in output.parents for output in report.outputs)
    assert report.frames_read <= 50 * FRAMES
    if report.corrupt_packets:
        raise IncompleteError(f"{report.corrupt_packets} packets could not be decoded")


def _read_onnx_by(make: Callable[[Path], Runner]) -> Callable[[Path, Path], None]:
    def read(path: Path, case: Path) -> None:
        with make(path) as runner:
            spec = runner.spec
            frames = np.zeros((runner.batch, spec.height, spec.width, 3), np.uint8)
            for labels in (runner(frames), *runner.stream([frames])):
                assert labels.dtype == np.uint8
                assert labels.shape == frames.shape[:3]
                assert labels.max() < spec.class_count, "a label that is no class"

    return read


def _inspect(path: Path, case: Path) -> None:
    found = inspect_file(path)
    json.loads(to_json(found))
    Console(file=io.StringIO()).print(render(found))


def _read_engine(path: Path, case: Path) -> None:
    """Inspect and open an engine, whose file or manifest is damaged; there is no GPU to run it on."""
    engine = path.with_suffix("") if path.suffix == ".json" else path
    _inspect(engine, case)
    try:
        with open_runner(engine):
            raise AssertionError("an engine that is none was opened")
    except EdgeSegError as error:
        if "is missing" not in str(error) and "here is" not in str(error) and "driver" not in str(error):
            raise


def _read_checkpoint(path: Path, case: Path) -> None:
    _, spec = load_checkpoint(path)
    assert ModelSpec.from_json(spec.to_json(), "again") is not None
    if spec.height * spec.width <= 2**20:
        _inspect(path, case)


def _read_state(path: Path, case: Path) -> None:
    position = read_position(path)
    best_of(position.history), overfits(position.history)
    write_history(case / "metrics.csv", position.history)
    network = build_network(SPEC)
    average = torch.optim.swa_utils.AveragedModel(network, use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters())
    load_state(path, network, average, optimizer)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    average.update_parameters(network)


def _read_dataset(path: Path, case: Path) -> None:
    from segdata.dataset.show import balance, sheet

    dataset = Dataset(path.parent)
    for name in dataset.facts.splits:
        split = dataset.split(name)
        assert split.images.dtype == split.labels.dtype == np.uint8
        assert split.images.shape[:3] == split.labels.shape == (len(split), dataset.facts.height, dataset.facts.width)
        int(split.images.sum()), int(split.labels.max(initial=0))
    calibration, evaluation = dataset.calibration(), dataset.evaluation()
    assert not set(calibration.names) & set(evaluation.names)
    dataset.facts.to_json().encode()
    few = dataset.split("val")
    if sum((case / path.parent.name / "dataset.json").read_bytes()[:500]) % 8 == 0:  # matplotlib takes its time
        sheet(dataset.facts, [(few.names[0], few.images[0], few.labels[0])]).savefig(case / "sheet.png")
        balance(dataset.facts).savefig(case / "classes.png")


def _read_journal(path: Path, case: Path) -> None:
    """Resume a preparation whose journal or arrays are damaged."""
    target = case / "prepared"
    path.parent.rename(case / ".prepared.partial")
    prepare(prepare_options(_sound() / "source", target))
    val = Dataset(target).split("val")
    assert val.images.shape == (6, SIDE, SIDE, 3)
    facts, sound = Dataset(target).facts, Dataset(_sound() / "dataset").facts
    assert {name: split.names for name, split in facts.splits.items()} == {
        name: split.names for name, split in sound.splits.items()
    }


def _read_labelled(space: str = "cityscapes-29") -> Callable[[Path, Path], None]:
    def read(path: Path, case: Path) -> None:
        """Prepare a folder of labels, the first folder of the case."""
        (source,) = (folder for folder in case.iterdir() if folder.is_dir())
        options = replace(prepare_options(source, case / "prepared"), label_space=space)
        (dataset,) = prepare(options).datasets
        for name in dataset.facts.splits:
            assert set(np.unique(dataset.split(name).labels).tolist()) <= {*range(len(dataset.facts.class_names)), 255}

    return read


_read_annotations = _read_labelled()


def _read_labels(path: Path, case: Path) -> None:
    space = find_label_space(str(path))
    space.palette(), space.lookup_from_label_ids()
    " ".join(space.names).encode()


def _read_ranges(path: Path, case: Path) -> None:
    ranges = read_ranges(path)
    model = to_int8(read_onnx(_sound() / "onnx/tiny.fp32.onnx").model, ranges)
    made = case / "made.onnx"
    onnx.save(model, made)
    with OnnxRuntimeRunner(made) as runner:
        runner(np.zeros((1, SIDE, SIDE, 3), np.uint8))


def _read_report(path: Path, case: Path) -> None:
    from segbench.judge.compare import compare
    from segbench.report.compare_table import print_comparison, write_comparison
    from segbench.results import read_report

    comparison = compare(read_report(path.with_name("before.json")), read_report(path.with_name("after.json")))
    print_comparison(comparison, Console(file=io.StringIO()))
    write_comparison(comparison, case / "comparison.md")


_ONNX = tuple(f"onnx/tiny.{precision}.onnx" for precision in ("fp32", "fp16", "int8"))

KINDS = {
    "mp4": Kind(("video/street.mp4",), _boxes, _read_video),
    "mkv": Kind(("video/street.mkv",), damaged, _read_video),
    "gif": Kind(("video/street.gif",), damaged, _read_video),
    "images": Kind(tuple(f"video/images/{name}" for name in ("0.png", "1.jpg")), damaged, _read_video),
    "onnx-openvino": Kind(_ONNX, damaged_graph, _read_onnx_by(OpenVINORunner)),
    "onnx-onnxruntime": Kind(_ONNX, damaged_graph, _read_onnx_by(OnnxRuntimeRunner)),
    "onnx-inspect": Kind(_ONNX, damaged_graph, _inspect),
    "manifest": Kind(("engine/tiny.fp32.sm75.engine.json",), _text, _read_engine),
    "engine": Kind(("engine/tiny.fp32.sm75.engine",), damaged, _read_engine),
    "checkpoint": Kind(("checkpoint/tiny.safetensors",), _safetensors, _read_checkpoint),
    "state": Kind(("run/last.safetensors",), _safetensors, _read_state),
    "dataset-json": Kind(("dataset/dataset.json",), _text, _read_dataset),
    "arrays": Kind(("dataset/val_images.npy", "dataset/val_labels.npy"), _npy, _read_dataset),
    "journal": Kind(("partial/journal.jsonl",), _lines, _read_journal),
    "journal-arrays": Kind(("partial/val_images.npy", "partial/train_labels.npy"), _npy, _read_journal),
    "labels-json": Kind(("labels/own.json",), _text, _read_labels),
    "labels-toml": Kind(("labels/own.toml",), damaged, _read_labels),
    "coco": Kind(("coco/annotations/instances_val.json",), _text, _read_annotations),
    "yolo": Kind(("yolo/labels/val/0000.txt", "yolo/data.yaml"), damaged, _read_annotations),
    "cvat": Kind(("cvat/val/annotations.xml",), _xml, _read_annotations),
    "labelstudio": Kind(("labelstudio/val/tasks.json",), _text, _read_annotations),
    "labelme": Kind(("labelme/val/0000.json",), _text, _read_annotations),
    "coco-polygons": Kind(("polygons/instances_train.json",), _text, _read_annotations),
    "cvat-shapes": Kind(("shapes/annotations.xml",), _xml, _read_annotations),
    "panoptic": Kind(("panoptic/annotations/panoptic_train.json",), _text, _read_annotations),
    "panoptic-png": Kind(("panoptic/annotations/panoptic_train/a.png",), _png, _read_annotations),
    "voc": Kind(("voc/SegmentationClass/0000.png",), _png, _read_annotations),
    "voc-lists": Kind(("voc/ImageSets/Segmentation/train.txt", "voc/labelmap.txt"), damaged, _read_annotations),
    "vistas": Kind(("vistas/training/v1.2/labels/training.png",), _png, _read_labelled("mapillary-v1.2")),
    "bdd100k": Kind(("bdd100k/labels/sem_seg/masks/train/train.png",), _png, _read_labelled("bdd100k")),
    "camvid": Kind(("camvid/train_labels/0001TP_L.png",), _png, _read_labelled("camvid")),
    "brushes": Kind(("brushes/task-1-annotation-1-by-1-tag-road-0.png",), _png, _read_annotations),
    "brush-tasks": Kind(("brushes/tasks.json",), _text, _read_annotations),
    "hugging-face": Kind(("table/metadata.jsonl", "table/id2label.json"), _lines, _read_annotations),
    "parquet": Kind(("parquet/train.parquet",), damaged, _read_annotations),
    "ranges": Kind(("checkpoint/tiny.calibration.json",), _text, _read_ranges),
    "report": Kind(("report/before.json",), _text, _read_report),
}


def make_case(kind: Kind, random: Random, folder: Path, sound: bool) -> Path:
    """Copy a file of `kind` and the files beside it into `folder`; return the file, damaged unless `sound`."""
    origin = _sound() / random.choice(kind.files)
    below = origin.relative_to(_sound())
    inside = folder / below.parts[0]
    if origin.parent.name == "video":
        inside.mkdir()
        shutil.copyfile(origin, inside / origin.name)
    else:
        shutil.copytree(_sound() / below.parts[0], inside)
    path = folder / below
    if not sound and random.random() < 0.02:
        path.unlink()
        path.mkdir()
    elif not sound:
        path.write_bytes(kind.damage(path.read_bytes(), random))
    return path
