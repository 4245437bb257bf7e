"""What tests of several folders share."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import onnx
import pytest
import torch
from hypothesis import settings

from segdata.cores import usable_cores
from segdata.dataset import Dataset
from segdata.errors import EdgeSegError, InputError
from segdata.labels import CITYSCAPES_29
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.prepare import prepare
from segdata.progress import Silent
from segdata.size import Size
from segdata.spec import ModelSpec, Precision
from segdata.synth import drive, scene
from segdata.synth.write import write_synthetic
from segexport.graph.to_onnx import to_onnx
from segexport.quantise.calibrate import measure_ranges
from segexport.quantise.to_int8 import to_int8
from segtrain.network.base import Network
from segtrain.network.checkpoint import build_network, load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

# The same examples in every run: what changed is the code. `HYPOTHESIS_PROFILE=search` looks for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

SIZE = 64  # pixels a side, of the small dataset and of the small network
TRAINING_STEPS = 40

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a background job of a shell: children would ignore Ctrl-C, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What runs fastest is remembered from one run to the next: not from a test to what the user has, nor back.
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))  # the list of fonts takes seconds
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="edgeseg-tests-")


@pytest.hookimpl(optionalhook=True)  # without xdist there is no such hook
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` starts: one more than there are cores, as some tests wait for the network."""
    return usable_cores() + 1


torch.set_num_threads(1)  # where other work has the cores, more threads wait for each other: seven times slower

Refused = Callable[..., AbstractContextManager[None]]
"""`refused(pattern, error=InputError)`: the block must raise `error`, in one line that has `pattern` in it."""

Mounted = Callable[[Path, str], AbstractContextManager[None]]
"""`mounted(folder, "size=1m")`: a disk of memory, mounted with these options on a new folder during the block."""

WritePair = Callable[..., None]
"""`write_pair(split_folder, name, seed=0, height=64, width=64)`: a synthetic scene in the pairs layout, lossless."""


@pytest.fixture
def refused() -> Refused:
    @contextmanager
    def check(pattern: str, error: type[EdgeSegError] = InputError) -> Iterator[None]:
        with pytest.raises(error, match=pattern) as refusal:
            yield
        assert "\n" not in str(refusal.value)

    return check


@pytest.fixture
def mounted() -> Mounted:
    """Skips the test where mounting is not allowed."""

    @contextmanager
    def mount(folder: Path, options: str) -> Iterator[None]:
        folder.mkdir()
        if not shutil.which("mount") or os.geteuid() != 0:
            pytest.skip("needs root, to mount a disk")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("mounting is not allowed here")
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)

    return mount


@pytest.fixture(scope="session")
def write_pair() -> WritePair:
    def write(split: Path, name: str, seed: int = 0, height: int = 64, width: int = 64) -> None:
        made = scene(seed, height, width)
        for folder, rgb in (("leftImg", made.image), ("labelIds", CITYSCAPES_29.palette()[made.labels])):
            (split / folder).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(split / folder / f"{name}.png"), rgb[..., ::-1])

    return write


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, which users do not have."""
    folder = os.environ.get("EDGESEG_DATA")
    if folder is None:
        pytest.skip("EDGESEG_DATA does not name the folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def street_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drive of 12 frames, 160x96 at 25 a second, with B-frames and a mono AAC track; PyAV alone wrote it."""
    path = tmp_path_factory.mktemp("video") / "street.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        picture = container.add_stream("libx264", rate=25, width=160, height=96, pix_fmt="yuv420p")
        for made in drive(3, 96, 160, 12, 25.0):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(made.image, format="rgb24")))
        for start in range(0, 22 * 1024, 1024):
            wave = 0.3 * np.sin(np.arange(start, start + 1024, dtype=np.float32)[None] / 20)
            samples = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 48000, start
            container.mux(sound.encode(samples))
        for stream in (picture, sound):
            container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator["Chrome"]:
    """A browser that says what its console and its network say."""
    from helpers.browser import chromium  # selenium only where it is used

    with chromium() as chrome:
        yield chrome


@pytest.fixture(scope="session")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the documentation, built strictly."""
    folder = tmp_path_factory.mktemp("site")
    from helpers.docs_pages import build_site  # a test copies this file to a folder without helpers

    done = build_site(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@dataclass(frozen=True)
class Artefacts:
    """A small UNet, and its exports: `network` is what the checkpoint holds, `onnx` has one file a precision."""

    checkpoint: Path
    spec: ModelSpec
    network: Network
    onnx: dict[Precision, Path]


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A prepared dataset of synthetic scenes: 40 to train on, 160 of val, of which 32 calibrate."""
    folder = tmp_path_factory.mktemp("dataset")
    write_synthetic(SynthOptions(target=folder / "pairs", train=40, val=160, size=Size(SIZE, SIZE), seconds=0))
    prepare(PrepareOptions(source=folder / "pairs", target=folder / "prepared", sizes=(Size(SIZE, SIZE),)))
    return Dataset(folder / "prepared")


@pytest.fixture(scope="session")
def artefacts(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """A UNet, trained until its margins are real (argmax of random weights is decided by rounding), and exported."""
    folder = tmp_path_factory.mktemp("artefacts")
    spec = ModelSpec(
        SIZE, SIZE, CITYSCAPES_29.name, CITYSCAPES_29.names, CITYSCAPES_29.colours, "unet", {"width": 16, "depth": 3}
    )
    checkpoint = folder / "small.safetensors"
    save_checkpoint(checkpoint, _trained(spec, dataset), spec)
    network, spec = load_checkpoint(checkpoint)
    models: dict[Precision, onnx.ModelProto] = {
        "fp32": to_onnx(network, spec, "fp32"), "fp16": to_onnx(network, spec, "fp16")
    }  # fmt: skip
    ranges = measure_ranges(models["fp32"], dataset.calibration(), "0" * 64, "percentile", Silent())
    models["int8"] = to_int8(models["fp32"], ranges)
    paths = {precision: folder / f"small.{precision}.onnx" for precision in models}
    for precision, path in paths.items():
        onnx.save(models[precision], path)
    return Artefacts(checkpoint, spec, network, paths)


def _trained(spec: ModelSpec, dataset: Dataset) -> Network:
    torch.manual_seed(0)
    network = build_network(spec).train()
    split = dataset.split("train")
    frames = torch.from_numpy(np.array(split.images)).permute(0, 3, 1, 2).float()
    inputs = (frames - torch.tensor(spec.mean).view(3, 1, 1)) / torch.tensor(spec.std).view(3, 1, 1)
    truth = torch.from_numpy(np.array(split.labels)).long()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(TRAINING_STEPS):
        batch = torch.randint(len(split), (8,))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs[batch]), truth[batch], ignore_index=255).backward()
        optimizer.step()
    return network.eval()
