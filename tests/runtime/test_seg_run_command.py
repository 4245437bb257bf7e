"""The command seg-run, as a user starts it: its output, its files and its errors."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import onnx
import pytest

from helpers.commands import run_command
from segrun.runners.tensorrt.manifest import EngineManifest, manifest_path

if TYPE_CHECKING:
    from conftest import Artefacts


def seg_run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_command("seg-run", *arguments, cwd=cwd)


def streams(path: Path) -> tuple[int, Fraction, list[bytes]]:
    """Return how many frames decode, how many are shown a second, and the packets of the sound."""
    with av.open(str(path)) as container:
        picture = container.streams.video[0]
        count = sum(1 for _ in container.decode(picture))
        rate = Fraction(picture.average_rate or 0)
    with av.open(str(path)) as container:
        return count, rate, [bytes(packet) for packet in container.demux(container.streams.audio) if packet.size]


@pytest.mark.parametrize(
    ("runner", "said"), [("auto", "on OpenVINO"), ("onnxruntime", "on ONNX Runtime (CPU, f32)")], ids=["auto", "ort"]
)
def test_a_video_is_segmented(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, runner: str, said: str
) -> None:
    done = seg_run(street_video, "--model", artefacts.onnx["fp16"], "--runner", runner, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *_, account, last = done.stdout.splitlines()
    assert account.startswith("12 frames read = 12 shown + 0 dropped, ")
    assert " FPS end to end " in account
    assert said in account
    assert last == "street.seg.mp4"
    assert [path.name for path in tmp_path.iterdir()] == ["street.seg.mp4"]
    assert streams(tmp_path / last) == streams(street_video)
    assert "Traceback" not in done.stderr


def test_output_and_alpha_are_taken(artefacts: "Artefacts", street_video: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "result.mkv"
    model = artefacts.onnx["int8"]
    done = seg_run(street_video, "-o", output, "--model", model, "--alpha", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(output)
    with av.open(str(output)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24").reshape(-1, 3).astype(int)
    road = abs(image - (128, 64, 128)).max(axis=1) < 30  # the palette's road: no street is of that colour
    assert road.mean() > 0.1


def missing_video(artefacts: "Artefacts", folder: Path, video: Path) -> tuple[list[str | Path], int, str]:
    return (
        [folder / "missing.mp4", "--model", artefacts.onnx["fp16"]],
        3,
        "no such file; need a video, a folder of images or videos, a webcam's number or an address",
    )


def text_as_video(artefacts: "Artefacts", folder: Path, video: Path) -> tuple[list[str | Path], int, str]:
    path = folder / "notes.mp4"
    path.write_text("notes on the drive\n" * 20)
    return [path, "--model", artefacts.onnx["fp16"]], 3, "not a video FFmpeg can read"


def only_sound(artefacts: "Artefacts", folder: Path, video: Path) -> tuple[list[str | Path], int, str]:
    path = folder / "sound.m4a"
    with av.open(str(video)) as source, av.open(str(path), "w", format="ipod") as target:
        copied = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = copied
                target.mux(packet)
    return [path, "--model", artefacts.onnx["fp16"]], 3, "has audio but no video; need a file with a video stream"


def missing_model(artefacts: "Artefacts", folder: Path, video: Path) -> tuple[list[str | Path], int, str]:
    return (
        [video, "--model", folder / "missing.onnx"],
        3,
        "no such file; need one that edgeseg wrote, or a model's name",
    )


def text_as_model(artefacts: "Artefacts", folder: Path, video: Path) -> tuple[list[str | Path], int, str]:
    path = folder / "readme.onnx"
    path.write_text("see the other file\n")
    return [video, "--model", path], 3, "readme.onnx: not an ONNX file"


def foreign_model(artefacts: "Artefacts", folder: Path, video: Path) -> tuple[list[str | Path], int, str]:
    path = folder / "foreign.onnx"
    model = onnx.load(artefacts.onnx["fp32"])
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(model, path)
    return [video, "--model", path], 4, "breaks the graph contract: got frames float32 [1, 64, 64, 3]"


def other_engine(artefacts: "Artefacts", folder: Path, video: Path) -> tuple[list[str | Path], int, str]:
    path = folder / "small.fp16.sm75.engine"
    path.write_bytes(b"some other plan")
    manifest = EngineManifest(
        engine_sha256="a" * 64, onnx="small.fp16.onnx", onnx_sha256="b" * 64, spec=artefacts.spec, precision="fp16",
        flavour="tensorrt-rtx", version="1.2", target="any GPU", compute_capability="7.5", calibration_sha256=None,
        verified_on="none: built, not run", rebuild="seg-export small.safetensors --fp16 --cc 7.5",
    )  # fmt: skip
    manifest_path(path).write_text(manifest.to_json())
    said = "its manifest says aaaaaaaaaaaa...; build it again with: seg-export small.safetensors --fp16 --cc 7.5"
    return [video, "--model", path], 4, said


def no_container(artefacts: "Artefacts", folder: Path, video: Path) -> tuple[list[str | Path], int, str]:
    arguments: list[str | Path] = [video, "-o", folder / "out.txt", "--model", artefacts.onnx["fp16"]]
    return arguments, 3, "need a name like out.mp4 or out.mkv"


def same_output(artefacts: "Artefacts", folder: Path, video: Path) -> tuple[list[str | Path], int, str]:
    path = folder / "street.mp4"
    path.write_bytes(video.read_bytes())
    return [path, "-o", path, "--model", artefacts.onnx["fp16"]], 3, "as input and as output; name another"


@pytest.mark.parametrize(
    "case",
    [
        missing_video,
        text_as_video,
        only_sound,
        missing_model,
        text_as_model,
        foreign_model,
        other_engine,
        same_output,
        no_container,
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    artefacts: "Artefacts",
    street_video: Path,
    tmp_path: Path,
    case: Callable[["Artefacts", Path, Path], tuple[list[str | Path], int, str]],
) -> None:
    arguments, code, said = case(artefacts, tmp_path, street_video)
    before = sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir())
    done = seg_run(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir()) == before


def test_each_output_is_what_its_name_says(artefacts: "Artefacts", street_video: Path, tmp_path: Path) -> None:
    names = ["masks/", "out.gif", "facts.jsonl", "{name}.mkv"]
    outputs = [word for name in names for word in ("-o", name)]
    options: list[str | Path] = ["--legend", "--show-fps", "--model", artefacts.onnx["fp16"]]
    done = seg_run(street_video, *outputs, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in sorted((tmp_path / "masks").iterdir())] == [f"{index:06}.png" for index in range(12)]
    assert (tmp_path / "facts.jsonl").read_bytes().count(b"\n") == 12
    assert streams(tmp_path / "street.mkv")[0] == 12
    with av.open(str(tmp_path / "out.gif")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12


def test_a_preview_says_where_to_watch_it(artefacts: "Artefacts", street_video: Path, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    where = ("-o", "none", "--serve", "127.0.0.1:0")
    done = seg_run(street_video, *where, "--model", artefacts.onnx["fp16"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.match(r"Watch it at http://127\.0\.0\.1:[1-9][0-9]*/\n(chose .*\n)?12 frames read", done.stdout)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_a_window_without_a_display_is_one_line_and_no_file_is_left(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    done = seg_run(street_video, "-o", "out.mp4", "--window", "--model", artefacts.onnx["fp16"], cwd=tmp_path)
    assert done.returncode == 3
    assert re.fullmatch(r"Error: there is no display for a window .*--serve\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_inputs_of_one_name_do_not_write_over_each_other(
    artefacts: "Artefacts", street_video: Path, tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(street_video, tmp_path / folder / "drive.mp4")
    done = seg_run("a/drive.mp4", "b/drive.mp4", "--model", artefacts.onnx["fp16"], cwd=tmp_path)
    assert done.returncode == 7
    why = "got a/drive.mp4 and b/drive.mp4, whose results would have one name; rename one, or run them apart"
    assert done.stderr.splitlines() == [f"Error: {why}"] * 2 + ["Error: 2 of 2 inputs failed; each is named above"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("arguments", [[], ["a.mp4", "--alpha", "2"], ["a.mp4", "--runner", "tensorrt"], ["--fast"]])
def test_a_wrong_call_is_a_usage_error(tmp_path: Path, arguments: list[str]) -> None:
    done = seg_run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1


HEAVY = "torch", "cv2", "openvino", "onnxruntime", "av"
HELP = f"""
import sys
from segrun.cli import main
main(["--help"], standalone_mode=False)
print("imported:", *[name for name in {HEAVY} if name in sys.modules])
"""


def test_help_names_every_option_and_imports_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    for option in ("INPUT", "-o, --output", "--model", "--view", "--serve", "--start", "--debug", "-h, --help"):
        assert option in done.stdout
    assert done.stdout.splitlines()[-1] == "imported:"


def test_a_real_drive_keeps_frames_rate_and_sound(artefacts: "Artefacts", real_data: Path, tmp_path: Path) -> None:
    video = real_data / "video" / "street" / "highway_540p.mp4"
    done = seg_run(video, "--model", artefacts.onnx["int8"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "221 frames read = 221 shown + 0 dropped" in done.stdout
    count, rate, sound = streams(tmp_path / "highway_540p.seg.mp4")
    assert (count, rate) == (221, Fraction(25))
    assert sound == streams(video)[2]
    assert len(sound) > 400
