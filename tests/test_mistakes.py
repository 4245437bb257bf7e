"""What people mistype, and the line they get: what was found, what was expected, what to do."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers.commands import run_command
from segbench.cli import bench_command, compare_command, preflight_command
from segdata.cli import main as seg_data
from segdata.images.size import Size
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.prepare import prepare
from segdata.shipped import shipped_checkpoint, shipped_onnx
from segdata.synth.write import write_synthetic
from segexport.cli import export_command, inspect_command
from segrun.cli import main as seg_run
from segtrain.cli import main as seg_train

COMMANDS = {
    "seg-data": seg_data,
    "seg-train": seg_train,
    "seg-export": export_command,
    "inspect": inspect_command,
    "seg-run": seg_run,
    "seg-bench": bench_command,
    "compare": compare_command,
    "preflight": preflight_command,
}

MISTAKES = {
    "seg-run drive.mp4 --start 0:0:x -o none": "got 0:0:x, need a time of 0 or more: seconds, or 1:30, or 00:01:30",
    "seg-run drive.mp4 --duration 0:00 -o none": "got 0:00, need a time above 0: seconds, or 1:30, or 00:01:30",
    "seg-run drive.mp4 -o x.mp4 -o x.mp4": "got the output x.mp4 twice; name each once",
    "seg-run drive.mp4 -o masks": "masks: a name without suffix; write masks/ for a folder of masks, masks.mp4 .*",
    "seg-run drive.mp4 --model unet-12": "unet-12: no such file; need .*, or a model's name: unet-64, unet-128, .*",
    "seg-run drive.mp4 --model unet-64.fp8": "no such file; unet-64 is shipped as unet-64.fp16 and unet-64.int8: .*",
    "seg-run drive.mp4 --model unet-256-lite.fp16": "no such file; unet-256-lite is shipped as unet-256-lite.int8: .*",
    "seg-run drive.mp4 --model UNET-64": "UNET-64: no such file; need .*unet-64, unet-128, .*, unet-256-lite",
    "seg-run drive.mp4 --model run -o none": "run: a folder; take run/best.safetensors",
    "seg-train sizes": "sizes: holds datasets of the sizes 64, 128; name one of them: sizes/64",
    "seg-train sizes --size 100": "got size 100, but sizes has the sizes 64, 128; prepare that size, too",
    "seg-train sizes/64 --lr x": "Invalid value for '--learning-rate' / '--lr': got x, need a number above 0",
    "seg-train sizes/64 --init unet-1": "unet-1: no such file; need .*unet-64, unet-128, .*, unet-256-lite",
    "seg-train sizes/64 --init unet-64.fp16": "no such file; the weights of the shipped model are called unet-64",
    "seg-train sizes/64 --init run": "run: a folder; take run/best.safetensors",
    "seg-train sizes/64 --batch 2 --init run/last.safetensors": (
        "run/last.safetensors: what --resume goes on from, no finished weights; take run/best.safetensors"
    ),
    "seg-data show sizes": "sizes: holds datasets of the sizes 64, 128; name one of them: sizes/64",
    "seg-data show sizes/64 --split trian": "sizes/64: got the split trian, this dataset has train, val",
    "seg-data prepare streets out --size 100": "got size 100, need multiples of 16 for .*, such as 96; --any-size .*",
    "seg-data prepare streets out --size 0": "got size 0, need 16 pixels or more a side",
    "seg-export run": "run: a folder; take run/best.safetensors",
    "seg-export run/last.safetensors": "run/last.safetensors: what --resume goes on from, .*take run/best.safetensors",
    "seg-export unet-64.int8.onnx": "unet-64.int8.onnx: an export of edgeseg already; export the checkpoint that .*",
    "seg-export unet-6": "unet-6: no such file; need .*unet-64, unet-128, .*, unet-256-lite",
    "seg-export unet-64.int4": "no such file; the weights of the shipped model are called unet-64",
    "seg-export unet-64.fp16 --int8": "got unet-64.fp16 and --int8, two precisions; leave one out",
    "inspect unet-6": "unet-6: no such file; need .*unet-64, unet-128, .*, unet-256-lite",
    "seg-bench unet-6": "unet-6: no such file; need .*unet-64, unet-128, .*, unet-256-lite",
    "compare unet-64.int8.onnx unet-64.int8.onnx": (
        "unet-64.int8.onnx: an artefact, need a JSON report of one; make it with: "
        "seg-bench unet-64.int8.onnx --json unet-64.int8.json"
    ),
    "compare unet-64 unet-128.int8": "unet-64: an artefact, .*; make it with: seg-bench unet-64 --json unet-64.json",
    "seg-run": "Missing argument 'INPUT...'; write, for example: seg-run drive.mp4",
    "seg-run drive.mp5": "drive.mp5: no such file; need a video, a folder of images or videos, a webcam's number or .*",
    "seg-run drive.mp4 drive.mp4 -o x.mp4": "got 2 inputs but one output x.mp4; put {name} into it",
    "seg-run drive.mp4 --serve 80800 -o none": "got '80800' to serve at, need HOST:PORT such as 127.0.0.1:8080 or .*",
    "seg-train sizes/64 --batch 2 -o drive.mp4": "drive.mp4: a file, need a folder for the run; name another with -o",
    "seg-run list.txt": "list.txt: not a video .*; a list of videos is given as seg-run --from LIST",
    "seg-run words.txt": "words.txt: text, need a video; a list of videos is given as seg-run --from LIST",
    "seg-run drive.mp4 -output x.mp4": "No such option '-output'. Did you mean '--output'\\?",
    "seg-run drive.mp4 -model=unet-64": "No such option '-model'. Did you mean '--model'\\?",
    "seg-run --serve nothing.mp4": "nothing.mp4: no such file; need a video, .*",
    "seg-run drive.mp4 --alpha 50": "Invalid value for '--alpha': got 50, need a number from 0 to 1",
    "seg-run drive.mp4 --alpha 50%": "Invalid value for '--alpha': got 50%, need a number from 0 to 1",
    "seg-run drive.mp4 --every two": "Invalid value for '--every': got two, need a whole number of 1 or more",
    "seg-run drive.mp4 --device cuda -o none": "got device cuda, need auto, cpu or the number of a GPU, from 0",
    "seg-run drive.mp4 --device 0 -o none": "got device 0, and unet-256-lite runs on the CPU; build an engine of it .*",
    "seg-run drive.mp4 --view sidebyside": "'sidebyside' is not one of 'overlay', 'mask', 'side-by-side', .*",
    "seg-run drive.mp4 --smooth 4 -o none": "got --smooth 4, need an odd number: as many frames before as after",
    "seg-run drive.mp4 --classes cityscapes19 -o none": (
        "got --classes cityscapes19, need one of cityscapes-29, cityscapes-19, cityscapes-8, or a .toml or .json file"
    ),
    "seg-run drive.mp4 --palette bright": "'bright' is not one of 'model', 'vivid'",
    "seg-run drive.mp4 --min-confidence 0.5 -o none": (
        "got --min-confidence 0.5, but the model gives no confidence; export it with seg-export --confidence .*"
    ),
    "seg-run drive.mp4 --mask-format coco": "'coco' is not one of 'png', 'rle', 'polygons', 'yolo', .*",
    "seg-run drive.mp4 -o drive.mp4": "got drive.mp4 as input and as output; name another output with -o",
    "seg-run drive.mp4 --serve localhost:99999": "got 'localhost:99999' to serve at, need HOST:PORT such as .*",
    "seg-run drive.mp4 --shard 1/2 -o none": "got --shard 1/2 without --from; name the videos by --from LIST",
    "seg-run drive.mp4 --ray auto -o none": "got --ray auto without --from; name the videos by --from LIST",
    "seg-run drive.mp4 --model drive.mp4 -o none": "drive.mp4: got a .mp4, need .onnx or .engine from seg-export",
    "seg-run drive.mp4 --model run/best.safetensors -o none": (
        "got a .safetensors, need .onnx or .engine from seg-export; make it with: seg-export run/best.safetensors"
    ),
    "seg-run drive.mp4 --model net.engine -o none": "net.engine: no manifest net.engine.json beside it; build .*",
    "seg-run drive.mp4 --runner onnx": "'onnx' is not one of 'auto', 'openvino', 'onnxruntime'",
    "seg-train streets": "streets: no dataset, .* is missing; make one with: seg-data prepare streets DATASET",
    "seg-train nowhere": "nowhere: no such folder, need a dataset; make one with: seg-data prepare IMAGES DATASET",
    "seg-train drive.mp4": "drive.mp4: a file, need a dataset; make one with: seg-data prepare IMAGES DATASET",
    "seg-train sizes/64 --width 0": "Invalid value for '--width': got 0, need a whole number from 1 to 8192",
    "seg-train sizes/64 --decoder-width 16": "got --decoder-width 16 without --encoder; add --encoder, or leave it out",
    "seg-train sizes/64 --temperature 3": "got --temperature 3.0 without --teacher; add --teacher, or leave it out",
    "seg-train sizes/64 --epochs ten": "Invalid value for '--epochs': got ten, need a whole number of 1 or more",
    "seg-train sizes/64 --imgsz 128": "got --size 128 but sizes/64 holds 64x64 frames; leave --size out, or name .*",
    "seg-train sizes/64 --recipe fast": "fast: no such recipe; name a .toml file, or one of lite0-256, .*",
    "seg-train sizes/64": "got batches of 16 but 4 training frames; lower --batch-size or add frames",
    "seg-data prepare nowhere out": "nowhere: no such folder; need a folder with labelled images .*",
    "seg-data prepare drive.mp4 out": "drive.mp4: a file; need a folder with labelled images .*",
    "seg-data prepare sizes/64 out": "sizes/64: prepared already; train on it, or name the folder of images .*",
    "seg-data prepare streets out --size 64x": "'64x' is not a size; write 128, or 256x128 for width and height",
    "seg-data chek streets": "No such command 'chek'. Did you mean 'check'?",
    "seg-data convert sizes/64 out --to coc": "'coc' is not one of 'png', 'voc', 'coco', .*",
    "seg-data synth streets": "streets exists already; remove it or name another folder",
    "seg-export sizes": "sizes: a folder; need one that edgeseg wrote, or a model's name: unet-64, .*",
    "seg-export run/best.safetensors --cc 75": "got compute capability '75', need one of 7.5, .*",
    "seg-export run/best.safetensors --calibration nowhere": "nowhere: no such folder, need a dataset; make one .*",
    "seg-bench nothing.onnx": "nothing.onnx: no such file; need .*unet-64, unet-128, .*, unet-256-lite",
    "compare a.json b.json": "a.json: no such file; need a JSON report of seg-bench",
    "preflight drive.mp4": "drive.mp4: got a .mp4, need the .onnx that engines are built from",
    "seg-run drive.mp4 --start": "Option '--start' requires an argument; write --start TIME",
    "seg-run drive.mp4 --view": "Option '--view' requires an argument; write --view overlay|mask|.*",
    "seg-run drive.mp4 --legend=yes": "Option '--legend' does not take a value",
    "seg-run drive.mp4 --alpha nan": "Invalid value for '--alpha': got nan, need a number from 0 to 1",
    "seg-run drive.mp4 --duration inf": "Invalid value for '--duration': got inf, need a time above 0: seconds, .*",
    "seg-run drive.mp4 --every 1.5": "Invalid value for '--every': got 1.5, need a whole number of 1 or more",
    "seg-run drive.mp4 --smooth 99": "Invalid value for '--smooth': got 99, need a whole number from 1 to 31",
    "seg-run drive.mp4 --every=": "Invalid value for '--every': got nothing, need a whole number of 1 or more",
    "seg-run drive.mp4 --model=": "Invalid value for '--model': got an empty text; fill it in, or leave it out",
    "seg-run drive.mp4 --output=": "Invalid value for '-o' / '--output': got an empty text; fill it in, or .*",
    "seg-run drive.mp4 --raw 64x64 -o none": "got --raw 64x64 without a pipe; name - for standard input",
    "seg-run drive.mp4 --token word -o none": "got --token without --serve or --metrics, which ask for it; add one .*",
    "seg-run drive.mp4 --receipts done -o none": "got --receipts done without --from; name the videos by --from LIST",
    "seg-run drive.mp4 --cpus-per-video 3 -o none": "got --cpus-per-video 3 without --ray; add --ray, or leave it out",
    "seg-run drive.mp4 --mask-values colours": "got --mask-values colours without a folder of masks; add one, as .*",
    "seg-run drive.mp4 --mask-format cvat -o x.mp4": "got --mask-format cvat without a folder of masks; add one, .*",
    "seg-run drive.mp4 --with-images -o x.mp4": "got --with-images without a folder of masks; add one, as -o masks/",
    "seg-run drive.mp4 --alhpa 0.3": "No such option '--alhpa'. Did you mean '--alpha'\\?",
    "seg-run drive.mp4 --epochs 3": "No such option '--epochs'; seg-run --help lists all",
    "seg-run drive.mp4 --calibration sizes": "No such option '--calibration'; seg-run --help lists all",
    "seg-train": "Missing argument 'DATASET'; write, for example: seg-train .*",
    "seg-train sizes/64 --lr -1": "Invalid value for '--learning-rate' / '--lr': got -1, need a number above 0",
    "seg-train sizes/64 --seed -1": "Invalid value for '--seed': got -1, need a whole number of 0 or more",
    "seg-train sizes/64 --serve": "No such option '--serve'; seg-train --help lists all",
    "seg-train sizes/64 sizes/128": "Got unexpected extra argument \\(sizes/128\\); need seg-train DATASET",
    "seg-export unet-64 unet-128": "Got unexpected extra argument \\(unet-128\\); need seg-export \\[CHECKPOINT\\]",
    "seg-export unet-64 --seed x": "Invalid value for '--seed': got x, need a whole number of 0 or more",
    "seg-export unet-64 --max-drop -1": "Invalid value for '--max-drop': got -1, need a number of 0 or more",
    "seg-data prepare": "Missing argument 'SOURCE'; write, for example: seg-data prepare .*",
    "seg-data prepare streets": "Missing argument 'TARGET'; write, for example: seg-data prepare .*",
    "seg-data prepare streets out --val-fraction 7": "got val fraction 7.0, need more than 0 and less than 1",
    "seg-data prep streets out": "No such command 'prep'. Did you mean 'prepare'\\?",
    "seg-export unet-64 --conf": "No such option '--conf'. Did you mean '--confidence'\\?",
    "seg-export unet-64 -o drive.mp4": "drive.mp4: a file, need a folder to write to; name another",
    "seg-bench unet-64 --html sizes": "got --html sizes, a folder; need the name of a file",
    "seg-bench unet-64 --quality drive.mp4": "got --quality drive.mp4, a file; need a folder",
    "seg-data classes nowhere": "nowhere: no such file or folder; need annotations of another tool",
    "seg-data xyz": "No such command 'xyz'; seg-data --help lists all",
    "seg-data --size 64": "No such option '--size'; seg-data --help lists all",
    "seg-bench --target-fps 0": "Invalid value for '--target-fps': got 0, need a number above 0",
    "seg-bench --min-miou 300": "Invalid value for '--min-miou': got 300, need a number from 0 to 100",
    "compare a.json": "Missing argument 'AFTER'; write, for example: seg-bench compare yesterday.json today.json",
    "compare a.json b.json c.json": "Got unexpected extra argument \\(c.json\\); need compare BEFORE AFTER",
    "compare a.json b.json --json x": "No such option '--json'; compare --help lists all",
    "compare words.txt words.txt": "words.txt: not JSON \\(expected ident at line 1 column 2\\); need a JSON report .*",
    "seg-export unet-64 --fp16 --max-drop 1": "got --max-drop 1.0 without INT8; add --int8, or leave it out",
    "seg-export unet-64.fp16 --keep-float conv_1": "got --keep-float conv_1 without INT8; add --int8, or leave it out",
    "seg-export unet-64 --seed 3": "got --seed 3 without frames to calibrate on; add --calibration DATASET, or .*",
    "seg-export unet-64 --engine none --cc 8.6": "got --cc 8.6 without an engine; leave out --engine none, or this",
    "preflight net.engine": "net.engine: got a .engine, need the .onnx that engines are built from",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the mistakes name."""
    folder = tmp_path_factory.mktemp("desk")
    size = Size(64, 64)
    write_synthetic(SynthOptions(target=folder / "streets", train=4, val=4, size=size, seconds=0.2))
    sizes = (size, Size(128, 128))
    prepare(PrepareOptions(source=folder / "streets", target=folder / "sizes", sizes=sizes))
    shutil.copy(folder / "streets" / "drive.mp4", folder)
    (folder / "run").mkdir()
    shutil.copy(shipped_checkpoint(64), folder / "run" / "best.safetensors")
    no_spec = (2).to_bytes(8, "little") + b"{}"  # a safetensors file of nothing
    (folder / "run" / "last.safetensors").write_bytes(no_spec)
    shutil.copy(shipped_onnx(64)[1], folder)
    (folder / "net.engine").touch()
    (folder / "list.txt").write_text("drive.mp4\n" * 20)
    (folder / "words.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 200)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_to_do(typed: str, desk: Path) -> None:
    before = sorted(desk.rglob("*"))
    name, *words = typed.split()
    if name == "seg-run" and "--model" not in typed and "unet" not in MISTAKES[typed]:
        words = ["--model", "unet-64", *words]  # which is opened sooner than the model of whoever names none
    done = CliRunner().invoke(COMMANDS[name], words, prog_name=name)
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith(("Exporting", "Measuring", "Checking"))]
    assert re.search(rf"^Error: .*{MISTAKES[typed]}", line), done.output
    assert done.exit_code in (2, 3, 4)
    assert sorted(desk.rglob("*")) == before


@pytest.mark.parametrize("words", [["", "-o", "none"], ["drive.mp4", "-o", ""], ["drive.mp4", "--token", ""]])
def test_a_variable_that_was_not_set_is_no_folder_and_no_word(words: list[str], desk: Path) -> None:
    done = CliRunner().invoke(seg_run, words)
    assert re.fullmatch("Error: Invalid value for .*: got an empty text; fill it in, or leave it out\n", done.stderr)


def test_engines_that_no_gpu_here_runs_leave_the_cpu(
    desk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As `seg-export` leaves them in a folder where `seg-run` is then called without a model."""
    for precision in ("fp16", "int8"):
        (tmp_path / "exports").mkdir(exist_ok=True)
        (tmp_path / "exports" / f"unet-64.{precision}.sm75.engine").touch()
    video = (desk / "drive.mp4").resolve()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(seg_run, [str(video), "--model", "unet-64", "--every", "5", "-o", "none"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("command", "typed", "meant"),
    [
        ("seg-export", "inspec", "inspect"),
        ("seg-bench", "preflght", "preflight"),
        ("seg-bench", "comapre", "compare"),
        ("edgeseg", "rnu", "run"),
        ("edgeseg", "seg-run", "run"),
    ],
)
def test_a_mistyped_subcommand_is_guessed(command: str, typed: str, meant: str, desk: Path) -> None:
    done = run_command(command, typed, "x.onnx")
    assert done.stderr == f"Error: No such command '{typed}'. Did you mean '{command} {meant}'?\n"
    assert done.returncode == 2


def test_an_input_after_serve_is_an_input(desk: Path) -> None:
    """And not the address to serve at."""
    done = CliRunner().invoke(seg_run, ["--serve", "nothing.mp4", "--model", "unet-64"])
    assert "nothing.mp4: no such file" in done.stderr


@pytest.mark.parametrize(("typed", "frames"), [("0.1", 2), ("0:00.1", 2), ("00:00:00.1", 2), ("0:0:0", 5)])
def test_times_are_seconds_or_hours_minutes_and_seconds(typed: str, frames: int, desk: Path) -> None:
    words = ["drive.mp4", "--start", typed, "--model", "unet-64.fp16", "--arithmetic", "f32", "-o", "none"]
    done = CliRunner().invoke(seg_run, words)
    assert f"{frames} frames read" in done.stdout, done.output
