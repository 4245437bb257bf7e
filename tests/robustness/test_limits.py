"""Faults that damaged files once caused, a test for each, so that none comes back."""

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from helpers.damage import DEEP
from helpers.sound_files import SIDE, SPEC, prepare_options
from segdata.dataset.arrays import open_array
from segdata.dataset.dataset import Dataset
from segdata.errors import ContractError, EdgeSegError, InputError
from segdata.prepare.label_files import find_label_space
from segdata.prepare.prepare import prepare
from segdata.spec import SPEC_KEY, ModelSpec
from segdata.text import one_line
from segdata.video.reader import VideoReader
from segexport.inspect.inspection import inspect_file
from segexport.quantise.calibrate import read_ranges
from segrun.runners.tensorrt.manifest import manifest_path, read_manifest
from segtrain.network.checkpoint import build_network, load_checkpoint
from segtrain.state import STATE_KEY, load_state, read_position

if TYPE_CHECKING:
    from conftest import Refused


ROOT = Path(__file__).parents[2]


def copied(sound: Path, folder: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound / folder, tmp_path / folder))


# --- JSON


@pytest.mark.parametrize("deep", ["[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP], ids=["lists", "objects"])
def test_json_nested_deeply_is_refused(sound: Path, tmp_path: Path, deep: str) -> None:
    engine = copied(sound, "engine", tmp_path) / "tiny.fp32.sm75.engine"
    manifest_path(engine).write_text(deep)
    dataset = copied(sound, "dataset", tmp_path)
    (dataset / "dataset.json").write_text(deep)
    state, checkpoint = tmp_path / "last.safetensors", tmp_path / "tiny.safetensors"
    save_file({"x": torch.zeros(1)}, state, {STATE_KEY: deep})
    save_file({"x": torch.zeros(1)}, checkpoint, {SPEC_KEY: deep})
    (tmp_path / "own.json").write_text(deep)
    (tmp_path / "ranges.json").write_text(deep)
    reads: tuple[Callable[[], object], ...] = (
        lambda: read_manifest(engine),
        lambda: Dataset(dataset),
        lambda: read_position(state),
        lambda: load_checkpoint(checkpoint),
        lambda: find_label_space(str(tmp_path / "own.json")),
        lambda: read_ranges(tmp_path / "ranges.json"),
    )
    for read in reads:
        with pytest.raises(EdgeSegError) as refusal:
            read()
        assert len(str(refusal.value)) < 1000
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["x" * 100_000, "two\nlines", "\x1b[31mred"], ids=["long", "two lines", "red"])
def test_what_stands_in_a_file_does_not_swell_or_colour_the_error(sound: Path, tmp_path: Path, text: str) -> None:
    dataset = copied(sound, "dataset", tmp_path)
    facts = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps(facts | {text: 1}))
    with pytest.raises(InputError) as refusal:
        Dataset(dataset)
    assert len(str(refusal.value)) < 1000
    assert str(refusal.value).isprintable()
    assert one_line(f"a\n{text}").isprintable()


# --- datasets


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"height": 2**15}, "height: Input should be less than"),
        ({"height": 10**30}, "height: "),
        ({"class_names": []}, "class_names: "),
        ({"class_names": ["a", "b"]}, "class names, colours and class_pixels differ in number"),
        ({"class_names": ["x" * 201] * 29}, "class_names.0: "),
        ({"colours": [[0, 0, 256]] * 29}, "colours.0.2: "),
    ],
)
def test_facts_that_cannot_be_are_refused(
    sound: Path, tmp_path: Path, refused: "Refused", entries: dict[str, Any], said: str
) -> None:
    dataset = copied(sound, "dataset", tmp_path)
    facts = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps(facts | entries))
    with refused(said):
        Dataset(dataset)


def header(shape: str, kind: str = "'|u1'") -> bytes:
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + (len(text) % 65_536).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "damaged",
    [
        header(f"({2**62}, {SIDE}, {SIDE}, 3)"),
        header(f"(-6, {SIDE}, {SIDE}, 3)"),
        header("(6"),
        header("(" * 5000),
        header("[" * 9000 + "]" * 9000),
        header(f"(6, {SIDE}, {SIDE}, 3)", "'|O'"),
        header(f"(6, {SIDE}, {SIDE}, 3)", "[('a', '|u1')]"),
        header(f"(6, {SIDE}, {SIDE}, 3)", "__import__('os').mkdir('fired')"),
        header(f"({'9' * 100}, 1)"),
        header(f"(6, {SIDE}, {SIDE}, 3)")[:50],
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_an_array_with_a_damaged_header_is_refused_and_does_not_grow(
    sound: Path, tmp_path: Path, refused: "Refused", damaged: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = copied(sound, "dataset", tmp_path)
    array = dataset / "val_images.npy"
    whole = array.read_bytes()
    array.write_bytes(damaged + whole[128:])
    size = array.stat().st_size
    with refused(r"val_images\.npy: "):
        Dataset(dataset).split("val")
    with pytest.raises((ValueError, OSError)):
        open_array(array, "r+", (6, SIDE, SIDE, 3))
    assert array.stat().st_size == size
    assert not (tmp_path / "fired").exists()


@pytest.mark.parametrize("change", [lambda data: data + b"\0", lambda data: data[:-1], lambda data: data[:200]])
def test_an_array_of_more_or_fewer_bytes_than_it_says_is_refused(
    sound: Path, tmp_path: Path, refused: "Refused", change: Callable[[bytes], bytes]
) -> None:
    dataset = copied(sound, "dataset", tmp_path)
    array = dataset / "val_labels.npy"
    array.write_bytes(change(array.read_bytes()))
    with refused(r"val_labels\.npy: cannot be read as an array"):
        Dataset(dataset).split("val")


@pytest.mark.parametrize(
    "entries",
    [
        {"split": "x"},
        {"index": 99},
        {"index": -1},
        {"class_pixels": []},
        {"class_pixels": [[1, 2]]},
        {"class_pixels": [[2**63] + [0] * 28]},
        {"source_pixels": [1]},
        {"unknown": {"id 1": -5}},
    ],
)
def test_a_journal_line_that_cannot_be_counts_for_nothing(sound: Path, tmp_path: Path, entries: dict[str, Any]) -> None:
    partial = copied(sound, "partial", tmp_path).rename(tmp_path / ".out.partial")
    journal = partial / "journal.jsonl"
    lines = journal.read_text().splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | entries)
    journal.write_text("\n".join(lines) + "\n")
    report = prepare(prepare_options(sound / "source", tmp_path / "out"))
    assert report.resumed == 2  # the lines before it
    assert report.datasets[0].facts == Dataset(sound / "dataset").facts
    val, sound_val = report.datasets[0].split("val"), Dataset(sound / "dataset").split("val")
    assert np.array_equal(val.images, sound_val.images)
    assert np.array_equal(val.labels, sound_val.labels)


def test_what_an_earlier_run_left_in_another_shape_is_refused(sound: Path, tmp_path: Path, refused: "Refused") -> None:
    partial = copied(sound, "partial", tmp_path).rename(tmp_path / ".out.partial")
    np.save(partial / "val_images.npy", np.zeros((3, SIDE, SIDE, 3), np.uint8))
    with refused("what an earlier run left is damaged .*; start again"):
        prepare(prepare_options(sound / "source", tmp_path / "out"))


# --- checkpoints


def with_spec(sound: Path, path: Path, **entries: Any) -> Path:  # noqa: ANN401 - any JSON
    source = sound / "checkpoint/tiny.safetensors"
    _, spec = load_checkpoint(source)
    values = json.loads(spec.to_json())
    values["options"] |= entries.pop("options", {})
    save_file(load_file(source), path, {SPEC_KEY: json.dumps(values | entries)})
    return path


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"options": {"width": 8192, "widest": 8192, "depth": 5}}, "its tensors are not those of the network"),
        ({"options": {"width": 10**9}}, "width: Input should be less than or equal to 8192"),
        ({"options": {"depth": 10**6}}, "depth: Input should be less than or equal to 12"),
        ({"height": 33}, "need .* divisible by 2"),
        ({"height": 10**18}, "height: Input should be less than or equal to 16384"),
        ({"mean": [float("nan"), 0, 0]}, "mean.0: "),
        ({"std": [float("inf"), 1, 1]}, "std.0: "),
        ({"architecture": "x" * 100_000}, "architecture: "),
    ],
)
def test_a_checkpoint_whose_spec_cannot_be_is_refused(
    sound: Path, tmp_path: Path, refused: "Refused", entries: dict[str, Any], said: str
) -> None:
    path = with_spec(sound, tmp_path / "odd.safetensors", **entries)
    for read in (load_checkpoint, inspect_file):
        with refused(rf"odd\.safetensors: .*{said}", ContractError):
            read(path)


def test_weights_of_another_type_are_refused(sound: Path, tmp_path: Path, refused: "Refused") -> None:
    source = sound / "checkpoint/tiny.safetensors"
    _, spec = load_checkpoint(source)
    whole = {name: tensor.to(torch.int32) for name, tensor in load_file(source).items()}
    save_file(whole, tmp_path / "whole.safetensors", {SPEC_KEY: spec.to_json()})
    with refused("its tensors are not those of the network its spec names", ContractError):
        load_checkpoint(tmp_path / "whole.safetensors")


@pytest.mark.parametrize("length", [0, 2**62, 2**64 - 1])
def test_a_header_of_another_length_is_refused(sound: Path, tmp_path: Path, refused: "Refused", length: int) -> None:
    path = copied(sound, "checkpoint", tmp_path) / "tiny.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    for read in (load_checkpoint, read_position):
        with refused("not a safetensors file"):
            read(path)


@pytest.mark.parametrize("odd", ["optimizer.0.exp_avg", "optimizer.0.step", "average.n_averaged"])
def test_the_state_of_an_optimiser_of_another_shape_is_refused(
    sound: Path, tmp_path: Path, refused: "Refused", odd: str
) -> None:
    path = copied(sound, "run", tmp_path) / "last.safetensors"
    position = read_position(path)
    tensors = load_file(path)
    assert odd in tensors
    values = json.dumps({"settings": position.settings, "epochs": 2, "history": []})
    save_file(tensors | {odd: torch.zeros(7)}, path, {STATE_KEY: values})
    assert read_position(path).epochs == 2
    network = build_network(SPEC)
    average = torch.optim.swa_utils.AveragedModel(network, use_buffers=True)
    with refused("its tensors are not those of this network", ContractError):
        load_state(path, network, average, torch.optim.AdamW(network.parameters()))


@pytest.mark.parametrize("step", [-1e30, 1e30, float("nan")])
def test_an_optimiser_that_took_no_number_of_steps_is_refused(
    sound: Path, tmp_path: Path, refused: "Refused", step: float
) -> None:
    path = copied(sound, "run", tmp_path) / "last.safetensors"
    save_file(load_file(path) | {"optimizer.0.step": torch.tensor(step)}, path)
    network = build_network(SPEC)
    average = torch.optim.swa_utils.AveragedModel(network, use_buffers=True)
    with refused("its tensors are not those of this network", ContractError):
        load_state(path, network, average, torch.optim.AdamW(network.parameters()))


# --- calibration


@pytest.mark.parametrize("bounds", [[float("nan"), 1], [-1, float("inf")], [0, 1e39], [1, -1]])
def test_ranges_that_are_none_are_refused(sound: Path, tmp_path: Path, refused: "Refused", bounds: list[float]) -> None:
    path = copied(sound, "checkpoint", tmp_path) / "tiny.calibration.json"
    values = json.loads(path.read_text())
    values["ranges"][next(iter(values["ranges"]))] = bounds
    path.write_text(json.dumps(values))
    with refused(r"tiny\.calibration\.json: not calibration ranges .*; remove it", ContractError):
        read_ranges(path)


# --- pictures


def test_a_video_in_a_format_nobody_knows_is_refused(sound: Path, tmp_path: Path, refused: "Refused") -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes((sound / "video/street.mp4").read_bytes().replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))
    with refused(r"odd\.mp4: "):
        list(VideoReader(path).frames())


def test_a_video_of_too_large_frames_is_refused(
    sound: Path, refused: "Refused", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segdata.video.container.LARGEST_PICTURE", 64 * 48 - 1)
    with refused("says 64x48 pixels, need 3071 or less"):
        VideoReader(sound / "video/street.mp4")


def test_no_memory_is_taken_for_frames_a_video_only_says_it_has(sound: Path, tmp_path: Path) -> None:
    data = bytearray((sound / "video/street.gif").read_bytes())
    data[6:10] = struct.pack("<HH", 20_000, 20_000)
    path = tmp_path / "large.gif"
    path.write_bytes(data)
    with VideoReader(path) as reader:
        assert not list(reader.frames())
        assert reader.corrupt_packets > 0


def png_of(width: int, height: int) -> bytes:
    """Return a small file that declares many pixels, and has them."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    squeezer = zlib.compressobj(1)
    row = bytes(width + 1)
    pixels = b"".join(squeezer.compress(row) for _ in range(height)) + squeezer.flush()
    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def png_of_a_chunk_that_lies() -> bytes:
    """Return a small file whose pixel data claims to be 3 GB; OpenCV would allocate that."""
    data = png_of(64, 48)
    at = data.index(b"IDAT")
    return data[: at - 4] + struct.pack(">I", 3 << 30) + data[at:]


@pytest.mark.parametrize("content", [png_of(10_000, 8_000), png_of_a_chunk_that_lies()], ids=["pixels", "chunk"])
def test_an_image_that_would_fill_the_memory_is_skipped(tmp_path: Path, content: bytes) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(content)
    assert bomb.stat().st_size < 1 << 20
    code = """
import re, sys
from segrun.sources.image import ImageSource
from pathlib import Path
source = ImageSource("bomb", [Path(sys.argv[1])])
print(len(list(source.read())), source.corrupt_packets)
# Not ru_maxrss, which a process has from the one that started it.
assert int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) < 1 << 20
"""
    # By the folders, as an installed package is found: old editable installs leave out `__init__.py`.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("data", "runtime"))}
    done = subprocess.run([sys.executable, "-c", code, str(bomb)], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "0 1\n"), done.stderr


def test_a_spec_that_cannot_be_is_refused(refused: "Refused") -> None:
    with refused("x: its model spec is not one edgeseg wrote", ContractError):
        ModelSpec.from_json('{"height": 1e400}', "x")
