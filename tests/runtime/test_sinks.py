"""Sinks: their files can be read by others and are complete however the run ends; errors are one line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from helpers.children import child
from helpers.images import read_image
from helpers.segmented_frames import HEIGHT, RATE, WIDTH, content, segmented, write, write_all, write_until_full
from segdata.errors import InputError
from segdata.formats.writing.base import Place
from segdata.formats.writing.coco import CocoFile
from segdata.formats.writing.names import MaskFormat
from segdata.formats.writing.open import MASKS
from segdata.labels import CITYSCAPES_29
from segdata.video.label_video import read_labels
from segrun.frame import Segmented
from segrun.options import RunOptions
from segrun.run import run
from segrun.segmenter import Segmenter
from segrun.sinks.annotations import AnnotationSink
from segrun.sinks.base import Sink
from segrun.sinks.gif import GifSink
from segrun.sinks.json import JsonSink
from segrun.sinks.png import PngSink
from segrun.sinks.raw import RawSink

if TYPE_CHECKING:
    from conftest import Artefacts

Mounted = Callable[[Path, str], AbstractContextManager[None]]
Refused = Callable[..., AbstractContextManager[None]]


def annotations_into(name: MaskFormat, target: Path) -> AnnotationSink:
    return AnnotationSink(target, MASKS[name](Place(target), CITYSCAPES_29), with_images=True)


FILE_SINKS: dict[str, Callable[[Path], Sink]] = {
    "out.gif": lambda target: GifSink(target, RATE),
    "masks": lambda target: PngSink(target, "ids", CITYSCAPES_29.colours),
    "out.jsonl": JsonSink,
    "out.coco.json": lambda target: AnnotationSink(target, CocoFile(target, CITYSCAPES_29)),
    **{name: partial(annotations_into, name) for name in MASKS},
}
each_file_sink = pytest.mark.parametrize("name", FILE_SINKS)


def lines(path: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


# What all that write files promise.


@each_file_sink
def test_without_a_frame_nothing_is_left_and_an_older_file_stays(name: str, tmp_path: Path) -> None:
    for target in (tmp_path / "new" / name, tmp_path / name):
        sink = FILE_SINKS[name](target)
        if target.parent == tmp_path:
            (tmp_path / name).write_text("old")
        sink.finish()
        assert sink.path is None
    assert content(tmp_path) == {name: b"old"}
    assert not (tmp_path / "new").exists()


@each_file_sink
def test_a_place_that_cannot_be_written_is_refused(name: str, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file.txt").write_text("old")
    target = tmp_path / "file.txt" / name
    sink = FILE_SINKS[name](target)
    with refused(f"^cannot write {target}.*; choose another place"):
        write(sink, [segmented(0)])
    sink.finish()
    assert content(tmp_path) == {"file.txt": b"old"}


@each_file_sink
def test_a_folder_that_may_not_be_written_is_refused(
    name: str, tmp_path: Path, mounted: Mounted, refused: Refused
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "ro,size=1m"):
        sink = FILE_SINKS[name](disk / name)
        with refused("^cannot write .*Read-only file system.*; choose another place"):
            write(sink, [segmented(0)])
        sink.discard()
        assert list(disk.iterdir()) == []


@each_file_sink
def test_a_disk_too_full_for_one_frame_is_one_line_and_nothing_half_is_left(
    name: str, tmp_path: Path, mounted: Mounted, refused: Refused
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=64k"):
        (disk / "other").write_bytes(bytes(64 * 1024))
        sink = FILE_SINKS[name](disk / name)
        write_until_full(sink, refused, disk / name)
        with suppress(InputError):
            sink.finish()
        left = {path: len(data) for path, data in content(disk).items()}
        # Lines are written in their place, and so an empty file is left of them.
        assert left == {"other": 64 * 1024} | ({name: 0} if name == "out.jsonl" else {})


# PNG


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (97, 131), (540, 960)])
def test_a_mask_of_ids_is_the_labels_at_the_frames_size(tmp_path: Path, size: tuple[int, int]) -> None:
    sink = PngSink(tmp_path / "new/masks", "ids", CITYSCAPES_29.colours)
    frames = [segmented(index, size=size) for index in range(2)]
    write_all(sink, frames)
    assert sink.path == tmp_path / "new/masks"
    assert sorted(content(sink.path)) == ["000000.png", "000001.png"]
    for frame in frames:
        mask = read_image(sink.path / f"{frame.frame.name}.png", cv2.IMREAD_UNCHANGED)
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, enlarged(frame.labels, *size))


def enlarged(labels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """The label whose pixel the centre of each larger one lies in."""
    rows, columns = (
        ((np.arange(length) + 0.5) * small / length).astype(int)
        for length, small in zip((height, width), labels.shape, strict=True)
    )
    return np.asarray(labels[rows[:, None], columns])


def test_a_mask_of_colours_has_those_of_the_classes(tmp_path: Path) -> None:
    write_all(PngSink(tmp_path, "colours", CITYSCAPES_29.colours), [frame := segmented(0)])
    mask = read_image(tmp_path / "000000.png", cv2.IMREAD_UNCHANGED)
    wanted = CITYSCAPES_29.palette()[enlarged(frame.labels, HEIGHT, WIDTH)]
    np.testing.assert_array_equal(mask[..., ::-1], wanted)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("berlin_000019 (1)", "berlin_000019 (1).png"),
        ("Straße", "Straße.png"),
        ("v1.2", "v1.2.png"),
        ("/etc/passwd", "passwd.png"),
        ("../../up", "up.png"),
        ("..\\up", "up.png"),
        ("..", "frame.png"),
        ("a/", "frame.png"),
        ("a\x00\nb:c", "a__b_c.png"),
    ],
)
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str, file: str) -> None:
    write_all(PngSink(tmp_path / "a/b/masks", "ids", CITYSCAPES_29.colours), [segmented(0, name=name)])
    assert list(content(tmp_path)) == [f"a/b/masks/{file}"]


def test_no_mask_is_written_over_by_another_frames(tmp_path: Path, refused: Refused) -> None:
    sink = PngSink(tmp_path, "ids", CITYSCAPES_29.colours)
    write(sink, [segmented(0, name="10:30")])
    before = content(tmp_path)
    with refused(r"two images would have the mask 10_30\.png; rename one of them"):
        write(sink, [segmented(1, name="10?30")])
    sink.finish()
    assert content(tmp_path) == before


def test_masks_of_an_earlier_run_are_replaced_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "000000.png").write_text("old")
    (tmp_path / "other.png").write_text("old")
    sink = PngSink(tmp_path, "ids", CITYSCAPES_29.colours)
    write(sink, [segmented(0)])
    sink.discard()
    assert sorted(content(tmp_path)) == ["000000.png", "other.png"]
    assert cv2.imread(str(tmp_path / "000000.png")) is not None
    assert (tmp_path / "other.png").read_text() == "old"


def test_every_mask_on_a_full_disk_is_whole(tmp_path: Path, mounted: Mounted, refused: Refused) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=300k"):
        sink = PngSink(disk / "masks", "ids", CITYSCAPES_29.colours)
        write_until_full(sink, refused, disk / "masks")
        sink.finish()
        masks = sorted((disk / "masks").iterdir())
        assert [path.name for path in masks] == [f"{index:06}.png" for index in range(len(masks))]
        assert len(masks) >= 3
        assert all(read_image(path, cv2.IMREAD_UNCHANGED).shape == (256, 256) for path in masks)


# JSON lines


def test_a_line_of_json_tells_a_frames_facts(tmp_path: Path) -> None:
    sink = JsonSink(tmp_path / "new/out.jsonl")
    frames = [segmented(index) for index in (0, 1, 1)]
    write_all(sink, frames)
    assert sink.path == tmp_path / "new/out.jsonl"
    written = lines(sink.path)
    assert [line["frame"] for line in written] == ["000000", "000001", "000001"]
    assert [line["seconds"] for line in written] == [0, 0.04, 0.04]
    moved = float((frames[0].labels != frames[1].labels).mean())
    assert [line["changed"] for line in written] == [None, pytest.approx(moved, abs=1e-5), 0]
    for line, frame in zip(written, frames, strict=True):
        assert list(line) == ["frame", "seconds", "shown", "size", "shares", "changed", "milliseconds"]
        assert line["size"] == [WIDTH, HEIGHT]
        assert line["shares"] == pytest.approx(frame.shares, abs=1e-5)
        assert sum(line["shares"].values()) == pytest.approx(1, abs=1e-4)
        assert list(line["shares"].values()) == sorted(line["shares"].values(), reverse=True)
        times = line["milliseconds"]
        assert (times["decode"], times["shrink"], times["to_labels"]) == (500, 250, 125)
        assert times["total"] > 0  # by the clock that goes on meanwhile


def test_json_lines_can_be_followed_while_they_are_written(tmp_path: Path) -> None:
    sink = JsonSink(tmp_path / "out.jsonl")
    for index in range(3):
        write(sink, [segmented(index)])
        assert len(lines(tmp_path / "out.jsonl")) == index + 1
    sink.discard()
    assert len(lines(tmp_path / "out.jsonl")) == 3


def test_json_lines_take_the_place_of_an_older_file_with_the_first_frame(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("old\n" * 100_000)
    sink = JsonSink(tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text().startswith("old")
    write_all(sink, [segmented(0)])
    assert len(lines(tmp_path / "out.jsonl")) == 1


def test_names_of_any_letters_are_json(tmp_path: Path) -> None:
    names = ['a"b\\c\n', "Straße", os.fsdecode(b"\xff\xfe")]
    write_all(JsonSink(tmp_path / "out.jsonl"), (segmented(0, name=name) for name in names))
    assert [line["frame"] for line in lines(tmp_path / "out.jsonl")] == names


def test_a_full_disk_cuts_no_line_of_json(tmp_path: Path, mounted: Mounted, refused: Refused) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=8k"):
        sink = JsonSink(disk / "out.jsonl")
        write_until_full(sink, refused, disk / "out.jsonl")
        sink.finish()
        assert len(lines(disk / "out.jsonl")) >= 5


def test_json_lines_may_go_to_a_device(refused: Refused) -> None:
    sink = JsonSink(Path("/dev/full"))
    with refused("cannot write /dev/full: No space left on device; choose another place"):
        write(sink, [segmented(0)])
    sink.finish()


# Raw labels


def test_raw_labels_are_the_bytes_of_all_frames(tmp_path: Path) -> None:
    frames = [segmented(index) for index in range(3)]
    with (tmp_path / "labels").open("wb") as stream:
        sink = RawSink(stream)
        write(sink, frames[:2])
        assert (tmp_path / "labels").stat().st_size == 2 * frames[0].labels.size  # each is sent off when it comes
        write_all(sink, frames[2:])
        assert not stream.closed
    sent = np.fromfile(tmp_path / "labels", np.uint8).reshape(3, *frames[0].labels.shape)
    np.testing.assert_array_equal(sent, [frame.labels for frame in frames])
    assert sink.path is None
    assert not sink.closed


def test_labels_that_are_a_view_are_sent_row_by_row(tmp_path: Path) -> None:
    frame = segmented(0)
    view = Segmented(frame.frame, np.asfortranarray(frame.labels)[:, ::-1], frame.classes, 0)
    with (tmp_path / "labels").open("wb") as stream:
        write_all(RawSink(stream), [view])
    assert (tmp_path / "labels").read_bytes() == frame.labels[:, ::-1].tobytes()


def test_a_reader_that_goes_away_ends_raw_labels_quietly() -> None:
    from_us, ours = os.pipe()
    with os.fdopen(ours, "wb") as stream:
        sink = RawSink(stream)
        write(sink, [segmented(0)])
        os.close(from_us)
        write(sink, [segmented(1)])
        assert sink.closed
        write(sink, [segmented(2)])
        sink.finish()
    assert sink.remarks == ["standard output: the reader went away after 1 frames"]


HEADED = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from helpers.segmented_frames import segmented, write
from segrun.sinks.raw import RawSink
sink = RawSink(sys.stdout.buffer)
while not sink.closed:
    write(sink, [segmented(0)])
sink.finish()
"""


def test_nothing_is_said_when_a_process_ends_whose_reader_went_away() -> None:
    """Python flushes its buffers when it exits, and complains if nobody reads them."""
    command = [sys.executable, "-c", HEADED, str(Path(__file__).parents[1])]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


def test_raw_labels_into_a_full_disk_are_one_line(refused: Refused) -> None:
    with open("/dev/full", "wb") as stream:  # noqa: PTH123 - a device, and no file
        sink = RawSink(stream)
        with refused("^cannot write to standard output: No space left on device; send it elsewhere$"):
            write(sink, [segmented(0)])
        sink.finish()


def test_raw_labels_are_not_sent_to_a_terminal(refused: Refused) -> None:
    other, terminal = os.openpty()
    with os.fdopen(other, "rb"), os.fdopen(terminal, "wb") as stream, refused("standard output is a terminal"):
        RawSink(stream)


def test_labels_are_kept_as_a_video_and_read_instead_of_computed(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "street.LABELS.mkv"
    options = RunOptions(inputs=(str(street_video),), outputs=(str(path),), model=artefacts.onnx["fp32"])
    with Segmenter(artefacts.onnx["fp32"]) as segmenter:
        run(options, segmenter._runner)
        computed = list(segmenter.video(street_video))
    with Segmenter(artefacts.onnx["int8"]) as other:
        stored = list(other.video(street_video, labels=path))
    assert len(computed) == len(stored) == 12
    for one, again in zip(computed, stored, strict=True):
        assert (one.labels == again.labels).all()
        assert one.frame.seconds == again.frame.seconds
    assert [each.seconds for each in read_labels(path)] == pytest.approx(
        [one.frame.seconds for one in computed], abs=1e-3
    )
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    options = replace(options, outputs=(str(tmp_path / "short.labels.mkv"),), duration=0.2)
    with Segmenter(artefacts.onnx["fp32"]) as segmenter:
        run(options, segmenter._runner)
        with refused("short.labels.mkv: ends before the video"):
            list(segmenter.video(street_video, labels=tmp_path / "short.labels.mkv"))
