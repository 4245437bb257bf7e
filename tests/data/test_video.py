"""Video files: what is written is read again, odd files are read, and files without a video are refused in one line."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import PIL.Image
import pytest
from av.stream import Disposition
from numpy.typing import NDArray
from PIL import ExifTags, ImageOps

from helpers.pyav import add_audio
from segdata.labels import CITYSCAPES_29
from segdata.synth import drive
from segdata.video.picture import Picture, Reformatter
from segdata.video.reader import Decoded, VideoReader
from segdata.video.writer import VideoSettings, VideoWriter

Refused = Callable[..., AbstractContextManager[None]]
Image = NDArray[np.uint8]

NTSC = Fraction(30000, 1001)


def bars(height: int, width: int, shift: int = 0) -> Image:
    """Return vertical bars of saturated colours, 16 pixels wide, which show a wrong matrix or channel order."""
    colours = np.array(CITYSCAPES_29.colours[-12:], dtype=np.uint8)
    row = colours[(np.arange(width) // 16 + shift) % len(colours)]
    return np.broadcast_to(row, (height, width, 3)).copy()


def write(path: Path, images: Iterable[Image], pts: Iterable[int], rate: Fraction, time_base: Fraction) -> None:
    with VideoWriter(path, rate, time_base) as writer:
        for image, when in zip(images, pts, strict=True):
            writer.write(Picture.from_rgb(image), when)


def read(path: Path) -> list[Decoded]:
    with VideoReader(path) as reader:
        return list(reader.frames())


def images_of(path: Path) -> list[Image]:
    with VideoReader(path) as reader:
        return list(reader.images())


def times(frames: Iterable[Decoded]) -> list[Fraction]:
    return [frame.seconds for frame in frames]


@pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(17)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_video_comes_back_frame_by_frame(tmp_path: Path, rate: Fraction, suffix: str) -> None:
    images = [bars(48, 192, shift) for shift in range(12)]
    path = tmp_path / f"out{suffix}"
    write(path, images, range(12), rate, 1 / rate)
    with VideoReader(path) as reader:
        assert reader.rate == rate
        assert reader.expected_frames == 12
        frames = list(reader.frames())
        assert reader.corrupt_packets == 0
    assert times(frames) == [index / rate for index in range(12)]
    for found, image in zip(images_of(path), images, strict=True):
        assert found.dtype == np.uint8
        assert found.shape == image.shape
        # inside the bars: halved chroma mixes the two columns at an edge
        inside = (np.arange(192) % 16 > 3) & (np.arange(192) % 16 < 12)
        assert np.abs(found[:, inside].astype(int) - image[:, inside]).mean() < 4


def test_a_file_that_declares_no_count_is_expected_to_have_what_its_duration_implies(tmp_path: Path) -> None:
    write(tmp_path / "out.mkv", [bars(32, 64)] * 12, range(12), Fraction(25), Fraction(1, 25))
    with VideoReader(tmp_path / "out.mkv") as reader:
        assert reader.expected_frames == 12


def test_a_street_comes_back_as_it_looked(tmp_path: Path) -> None:
    images = [made.image for made in drive(1, 128, 256, 5)]
    write(tmp_path / "drive.mp4", images, range(5), Fraction(25), Fraction(1, 25))
    for found, image in zip(images_of(tmp_path / "drive.mp4"), images, strict=True):
        assert np.abs(found.astype(int) - image).mean() < 6


def test_times_of_a_variable_rate_are_kept_exactly(tmp_path: Path) -> None:
    pts = [0, 1001, 3003, 3100, 9000, 9001, 30000, 60001]
    write(tmp_path / "out.mp4", [bars(32, 64, index) for index in range(8)], pts, NTSC, Fraction(1, 30000))
    assert times(read(tmp_path / "out.mp4")) == [Fraction(when, 30000) for when in pts]


def test_times_in_matroska_are_kept_to_its_millisecond(tmp_path: Path) -> None:
    pts = [0, 1001, 3003, 3100, 9000, 30000]
    write(tmp_path / "out.mkv", [bars(32, 64, index) for index in range(6)], pts, NTSC, Fraction(1, 30000))
    for found, when in zip(times(read(tmp_path / "out.mkv")), pts, strict=True):
        assert abs(found - Fraction(when, 30000)) <= Fraction(1, 2000)


@pytest.mark.parametrize(("height", "width"), [(47, 64), (48, 63), (33, 47)])
def test_odd_sizes_are_padded_by_a_repeated_edge(tmp_path: Path, height: int, width: int) -> None:
    image = bars(height, width)
    image[-1] = 255  # an edge that differs from what zeros would make of it
    write(tmp_path / "out.mp4", [image] * 2, range(2), Fraction(25), Fraction(1, 25))
    for found in images_of(tmp_path / "out.mp4"):
        assert found.shape == (height + height % 2, width + width % 2, 3)
        assert found[-1].min() > 200


def test_the_file_names_its_colours_so_that_players_show_them_right(tmp_path: Path) -> None:
    write(tmp_path / "out.mp4", [bars(48, 192)], [0], Fraction(25), Fraction(1, 25))
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert frame.colorspace == 6  # SMPTE 170M, which is BT.601: usual for small pictures
        assert frame.color_range == av.video.reformatter.ColorRange.MPEG


def write_with_audio(path: Path, audio_codec: str, audio_first: bool) -> None:
    """Write 20 frames at 25 a second with a tone, as a camera would."""
    rate, count = 48000, 20
    with av.open(str(path), "w") as container:

        def picture_track() -> av.VideoStream:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            return stream

        def sound_track() -> av.AudioStream:
            return add_audio(container, audio_codec, rate, layout="mono", bit_rate=64000)

        if audio_first:
            audio, video = sound_track(), picture_track()
        else:
            video, audio = picture_track(), sound_track()
        packets = []
        for index in range(count):
            packets += video.encode(av.VideoFrame.from_ndarray(bars(48, 64, index), format="rgb24"))
        packets += video.encode()
        tone = (np.sin(np.arange(count * rate // 25) / 20) * 9000).astype(np.int16)
        sound = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts = rate, 0
        resampler = av.AudioResampler(audio.format, "mono", rate, audio.codec_context.frame_size or 1024)
        for frame in [*resampler.resample(sound), *resampler.resample(None)]:
            packets += audio.encode(frame)
        packets += audio.encode()
        for packet in packets:
            container.mux(packet)


def copy(source: Path, target: Path) -> str | None:
    """Copy a video with its audio, and return the audio that was left out."""
    reformatter = Reformatter()
    with (
        VideoReader(source) as reader,
        VideoWriter(target, reader.rate, reader.time_base, VideoSettings(audio=reader.audio)) as writer,
    ):
        for item in reader.read():
            if isinstance(item, Decoded):
                writer.write(reformatter.picture(item.frame), item.pts)
            else:
                writer.write_audio(item)
        assert writer.frames_written == 20
        return writer.audio_left_out


def test_audio_of_no_codec_that_is_known_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    write_with_audio(source, "aac", audio_first=False)
    head, esds, tail = source.read_bytes().partition(b"esds")  # which has the kind of audio
    assert tail.count(b"\x40\x15") == 1
    source.write_bytes((head + esds + tail.replace(b"\x40\x15", b"\x01\x15")).replace(b"mp4a", b"what"))
    assert copy(source, tmp_path / "out.mp4") == "FFmpeg here does not know its codec"


def audio_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(audio=0)
            if packet.pts is not None and packet.time_base is not None
        ]


@pytest.mark.parametrize("audio_first", [False, True], ids=["video first", "audio first"])
@pytest.mark.parametrize("codec", ["aac", "mp2"])
def test_audio_is_copied_unchanged(tmp_path: Path, audio_first: bool, codec: str) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_with_audio(source, codec, audio_first)
    with VideoReader(source) as reader:
        assert reader.audio is not None
        assert reader.audio.index == (0 if audio_first else 1)
    assert copy(source, target) is None
    assert len(audio_packets(source)) > 30
    assert audio_packets(target) == audio_packets(source)
    assert times(read(target)) == times(read(source))


def test_audio_that_the_container_cannot_hold_is_left_out_and_said(tmp_path: Path) -> None:
    source, target = tmp_path / "in.avi", tmp_path / "out.mp4"
    write_with_audio(source, "wmav2", audio_first=False)
    assert copy(source, target) == "mp4 cannot hold wmav2"
    with VideoReader(target) as reader:
        assert reader.audio is None
        assert len(list(reader.frames())) == 20


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_frames_of_jpeg_come_as_their_exif_turns_them(tmp_path: Path, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    with (tmp_path / "camera.mjpeg").open("wb") as file:
        for shift in range(3):
            PIL.Image.fromarray(bars(64, 96, shift)).save(file, "JPEG", quality=95, exif=exif)
    expected = ImageOps.exif_transpose(PIL.Image.open(tmp_path / "camera.mjpeg"))
    first, *others = images_of(tmp_path / "camera.mjpeg")
    assert len(others) == 2
    assert first.shape == (expected.height, expected.width, 3)
    assert np.abs(first.astype(int) - np.asarray(expected)).mean() < 3


def test_frames_are_freed_at_once(tmp_path: Path) -> None:
    """Even frames with side data, as the first frame of x264's files has it: one 4K frame is 12 MB."""
    write(tmp_path / "out.mp4", [bars(48, 192)] * 5, range(5), Fraction(25), Fraction(1, 25))
    gc.collect()
    gc.disable()
    try:
        before = frames_alive()
        assert len(read(tmp_path / "out.mp4")) == 5
        assert frames_alive() == before
    finally:
        gc.enable()


def frames_alive() -> int:
    return sum(type(one) is av.VideoFrame for one in gc.get_objects())


def test_a_video_without_audio_has_none(tmp_path: Path) -> None:
    write(tmp_path / "out.mp4", [bars(32, 64)] * 3, range(3), Fraction(25), Fraction(1, 25))
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert reader.audio is None
        assert [type(item) for item in reader.read()] == [Decoded] * 3


def not_a_video(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.mp4"
    if kind == "text":
        path.write_text("this is not a video\n" * 50)
    elif kind == "zero_bytes":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "cut_off":
        write(path, [bars(48, 192, index) for index in range(5)], range(5), Fraction(25), Fraction(1, 25))
        path.write_bytes(path.read_bytes()[:1000])  # the index of an mp4 is at its end
    elif kind == "audio_only":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=48000, layout="mono")
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
            sound.sample_rate = 48000
            container.mux([*stream.encode(sound), *stream.encode()])
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "no such file; need a video"),
        ("folder", "need a video"),
        ("text", "not a video FFmpeg can read"),
        ("zero_bytes", "not a video FFmpeg can read"),
        ("cut_off", "not a video FFmpeg can read"),
        ("audio_only", "has audio but no video; need a file with a video stream"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, refused: Refused, kind: str, reason: str) -> None:
    path = not_a_video(tmp_path, kind)
    with refused(f"{kind}.mp4: .*{reason}"):
        VideoReader(path)


@pytest.mark.parametrize("suffix", ["mp3", "flac"])
def test_a_cover_picture_is_no_video(tmp_path: Path, refused: Refused, suffix: str) -> None:
    path = tmp_path / f"song.{suffix}"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame" if suffix == "mp3" else "flac", rate=44100, layout="mono")
        cover = container.add_stream("mjpeg", rate=25, width=64, height=64, pix_fmt="yuvj420p")
        cover.disposition = Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        kind = "fltp" if suffix == "mp3" else "s16"
        silence = np.zeros((1, 1152), np.float32 if suffix == "mp3" else np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format=kind, layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        container.mux([*sound.encode(frame), *sound.encode()])
    with refused(f"song.{suffix}: has a cover picture but no video; need a file with a video stream"):
        VideoReader(path)


@pytest.mark.parametrize("name", ["out.xyz", "out", "out.webm", "out.gif", "no/such/folder/out.mp4"])
def test_a_name_that_cannot_be_written_is_refused(tmp_path: Path, refused: Refused, name: str) -> None:
    with refused(f"cannot write .*{name}"):
        write(tmp_path / name, [bars(32, 64)], [0], Fraction(25), Fraction(1, 25))


def test_times_that_go_back_are_refused(tmp_path: Path, refused: Refused) -> None:
    with refused("cannot write .*out.mp4"):
        write(tmp_path / "out.mp4", [bars(32, 64)] * 3, [5, 1, 7], Fraction(25), Fraction(1, 25))


def test_audio_times_that_go_back_are_refused(tmp_path: Path, refused: Refused) -> None:
    write_with_audio(tmp_path / "in.mp4", "aac", audio_first=False)
    with VideoReader(tmp_path / "in.mp4") as reader:
        packets = [item for item in reader.read() if not isinstance(item, Decoded)]
        with (
            refused("cannot write .*out.mp4"),
            VideoWriter(
                tmp_path / "out.mp4", reader.rate, reader.time_base, VideoSettings(audio=reader.audio)
            ) as writer,
        ):
            writer.write(Picture.from_rgb(bars(48, 64)), 0)
            for packet in [*packets, *reversed(packets)]:
                writer.write_audio(packet)


FULL_DISK = """
import sys, numpy as np
from fractions import Fraction
from pathlib import Path
from segdata.errors import InputError
from segdata.video.picture import Picture
from segdata.video.writer import VideoSettings, VideoWriter
try:
    with VideoWriter(Path(sys.argv[1]), Fraction(25), Fraction(1, 25)) as writer:
        for index in range(60):
            image = np.random.default_rng(index).integers(0, 256, (96, 96, 3), dtype=np.uint8)
            writer.write(Picture.from_rgb(image), index)
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_said_in_one_line(tmp_path: Path, suffix: str) -> None:
    """In a separate process, since FFmpeg has crashed on this."""
    target = tmp_path / f"out{suffix}"
    target.symlink_to("/dev/full")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"cannot write {target} (No space left on device); try another place or format\n"


def test_a_damaged_video_still_yields_its_other_frames(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 96, 3), dtype=np.uint8)
    write(path, noise, range(40), Fraction(25), Fraction(1, 25))
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        position, size = packets[20].pos, packets[20].size
    content = bytearray(path.read_bytes())
    assert position is not None
    content[position : position + size] = b"\xff" * size
    path.write_bytes(content)
    with VideoReader(path) as reader:
        frames = list(reader.frames())
        assert reader.corrupt_packets >= 1
    assert 35 <= len(frames) < 40
    assert frames[-1].seconds == Fraction(39, 25)


ODD = (
    "audio_only.mp3", "av1.mkv", "corrupt_packets.mp4", "hevc_10bit.mp4", "no_moov.mp4", "odd_height.gif",
    "rotated_270.mov", "rotated_90.mov", "two_video_streams.mp4", "variable_fps.mp4", "vp9_no_duration.webm",
    "zero_bytes.webm",
)  # fmt: skip
NO_VIDEO = {"audio_only.mp3", "no_moov.mp4", "zero_bytes.webm"}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_read_or_refused(real_data: Path, refused: Refused, name: str) -> None:
    path = real_data / "video/odd" / name
    if name in NO_VIDEO:
        with refused(name):
            VideoReader(path)
        return
    with VideoReader(path) as reader:
        shapes, last = set(), Fraction(-1)
        reformatter = Reformatter()
        for frame in reader.frames():
            shapes.add(reformatter.picture(frame.frame, frame.display).y.shape)
            assert frame.seconds > last
            last = frame.seconds
        assert len(shapes) == 1
        assert (reader.corrupt_packets > 0) == (name == "corrupt_packets.mp4")


def test_no_odd_file_is_forgotten(real_data: Path) -> None:
    assert sorted(path.name for path in (real_data / "video/odd").iterdir()) == sorted(ODD)


@pytest.mark.parametrize("name", ["rotated_90.mov", "rotated_270.mov"])
def test_rotated_files_come_upright(real_data: Path, name: str) -> None:
    path = real_data / "video/odd" / name
    capture = cv2.VideoCapture(str(path))  # applies the rotation itself
    for found in images_of(path):
        upright = capture.read()[1][..., ::-1]
        assert found.shape == upright.shape
        assert found.shape[0] > found.shape[1]
        assert np.abs(found.astype(int) - upright).mean() < 4  # OpenCV takes another matrix than the file names
    capture.release()


def test_a_corrupt_file_yields_what_it_can(real_data: Path) -> None:
    with VideoReader(real_data / "video/odd/corrupt_packets.mp4") as reader:
        frames = list(reader.frames())
        assert reader.expected_frames == 50
        assert reader.corrupt_packets >= 1
    assert 28 <= len(frames) < 50
