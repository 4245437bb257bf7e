"""From a checkout to the last table, as a user does it: build the wheel, install it elsewhere, run every command."""

import json
from pathlib import Path

import av
import pytest

from helpers.wheels import FOLDERS, Installed, install
from segdata.files import sha256_of

# What `pip install edgeseg` leaves to the extras.
EXTRAS = ["torch", "lightning_fabric", "matplotlib", "safetensors", "tomli_w"]
EXTRAS += ["onnx", "onnxruntime", "onnxscript", "google.protobuf", "aiohttp", "jinja2", "tensorboard", "ray"]
EXTRAS += ["mlflow", "pytorch_lightning"]


@pytest.fixture(scope="module")
def workstation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What `pip install edgeseg[export]` gives."""
    return install(wheel, tmp_path_factory.mktemp("workstation"), "export")


@pytest.fixture(scope="module")
def device(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What `pip install edgeseg` gives."""
    return install(wheel, tmp_path_factory.mktemp("device"))


def found(installed: Installed, modules: list[str]) -> list[str]:
    """Return where each of the modules would be imported from, "none" if from nowhere."""
    code = f"""
from importlib.util import find_spec
for name in {modules}:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        spec = None
    print(spec.origin if spec else "none")"""
    return installed.run("python", "-c", code).stdout.splitlines()


def frames_in(video: Path) -> int:
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("kind", ["workstation", "device"])
def test_what_runs_is_what_was_installed(kind: str, request: pytest.FixtureRequest) -> None:
    installed: Installed = request.getfixturevalue(kind)
    for origin in found(installed, list(FOLDERS.values())):
        assert Path(origin).is_relative_to(installed.environment)


def test_from_nothing_to_the_table(workstation: Installed) -> None:
    run, folder = workstation.run, workstation.folder

    run("seg-data", "synth", "street", "--train", "40", "--val", "160", "--size", "64", "--seconds", "1")
    assert frames_in(folder / "street" / "drive.mp4") == 25

    prepared = run("seg-data", "prepare", "street", "dataset", "--size", "64")
    assert "train 40, val 160 frames of 64x64, 32 of val for calibration" in prepared.stdout

    small = ("--arch", "nano", "--width", "8", "--depth", "2", "--batch-size", "8", "--augment", "none")
    trained = run("seg-train", "dataset", *small, "--epochs", "20")
    assert "pixel accuracy" in trained.stdout
    checkpoint = trained.stdout.splitlines()[-1]
    assert checkpoint == "runs/unet-64/best.safetensors"

    exported = run("seg-export", checkpoint, "--all", "--calibration", "dataset")
    artefacts = [f"exports/unet-64.{precision}.onnx" for precision in ("fp32", "fp16", "int8")]
    assert [line for line in exported.stdout.splitlines() if line.endswith(".onnx")] == artefacts

    segmented = run("seg-run", "street/drive.mp4", "--model", artefacts[-1])
    assert segmented.stdout.splitlines()[-1] == "drive.seg.mp4"
    assert frames_in(folder / "drive.seg.mp4") == 25

    short = ("--frames", "5", "--rounds", "1", "--video", "street/drive.mp4", "--json", "bench.json")
    measured = run("seg-bench", *artefacts, "--data", "dataset", *short)
    assert all(f"\n{Path(name).name} " in measured.stdout for name in artefacts)
    results = json.loads((folder / "bench.json").read_text())["results"]
    assert {result["precision"] for result in results} == {"fp32", "fp16", "int8"}
    assert all(0 < result["accuracy"]["miou"] < 1 for result in results)

    for artefact in artefacts:
        inspected = json.loads(run("seg-export", "inspect", artefact, "--json").stdout)
        assert inspected["sha256"] == sha256_of(folder / artefact)
        assert (inspected["spec"]["height"], inspected["spec"]["width"]) == (64, 64)


def test_a_device_gets_no_training_library(device: Installed) -> None:
    assert found(device, EXTRAS) == ["none"] * len(EXTRAS)


def test_a_device_segments_a_video(device: Installed, street_video: Path) -> None:
    run = device.run("seg-run", street_video, "-o", "segmented.mp4")
    assert run.stdout.splitlines()[-1] == "segmented.mp4"
    assert frames_in(device.folder / "segmented.mp4") == 12


def test_a_device_is_measured_without_a_dataset(device: Installed, street_video: Path) -> None:
    (shipped,) = device.environment.rglob("segdata/shipped/unet-64.fp16.onnx")
    options = ("--video", street_video, "--frames", "5", "--rounds", "1", "--json", "bench.json")
    run = device.run("seg-bench", shipped, *options)
    assert "\nunet-64.fp16.onnx " in run.stdout
    (result,) = json.loads((device.folder / "bench.json").read_text())["results"]
    assert result["accuracy"] is None
    assert len(result["end_to_end"]["rounds"]) == 1


def test_a_device_says_what_it_can_run(device: Installed) -> None:
    run = device.run("seg-bench", "preflight")
    assert "torch is not installed" in run.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    ("command", "arguments", "module", "extra"),
    [("seg-train", ["dataset"], "torch", "train"), ("seg-export", [], "onnx", "export")],
)
def test_a_device_names_the_extra_that_lacks(
    device: Installed, command: str, arguments: list[str], module: str, extra: str
) -> None:
    run = device.run(command, *arguments, fails=5)
    assert run.stderr == f"Error: {module} is not installed; run: pip install 'edgeseg[{extra}]'\n"
