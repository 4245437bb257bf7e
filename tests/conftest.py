"""Fixtures for tests of several folders.

Libraries that take seconds to import are imported in the fixtures that need them.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from segdata.cores import usable_cores
from segdata.errors import EdgeSegError, InputError

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from helpers.artefacts import Artefacts as Artefacts
    from segdata.dataset.dataset import Dataset

# The same examples in every run: what changed is the code. `HYPOTHESIS_PROFILE=search` looks for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Tests run side by side, one a core: threads that wait for each other's cores are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by PyTorch when it is imported, here and in what tests start

_LONGEST = ("tests", "train", "export", "docs", "robustness", "runtime")  # folders; "tests" for what is in none

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a background job of a shell: children would ignore Ctrl-C, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What runs fastest is remembered from one run to the next: not from a test to what the user has, nor back.
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))  # the list of fonts takes seconds
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="edgeseg-tests-")


@pytest.hookimpl(optionalhook=True)  # without xdist there is no such hook
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` starts: one more than there are cores, as some tests wait for the network."""
    return usable_cores() + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the folders whose files take longest, so that no core waits at the end for a late one."""
    turn = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: turn.get(item.path.parent.name, len(turn)))


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
    import cv2

    from segdata.labels import CITYSCAPES_29
    from segdata.synth import scene

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
    from helpers.small_media import write_street

    path = tmp_path_factory.mktemp("video") / "street.mp4"
    write_street(path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator["Chrome"]:
    """A browser that reports its console and its network requests."""
    from helpers.browser import chromium  # selenium only where it is used

    with chromium() as chrome:
        yield chrome


@pytest.fixture(scope="session")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the documentation, built strictly."""
    from helpers.docs_pages import build_site
    from helpers.shared import shared

    def build(folder: Path) -> None:
        done = build_site(folder)
        assert done.returncode == 0, done.stdout + done.stderr

    return shared(tmp_path_factory, "site", build)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what is in the repository."""
    from helpers.shared import shared
    from helpers.wheels import build_wheel, copy_tree

    def build(folder: Path) -> None:
        copy_tree(folder / "source")
        build_wheel(folder / "source", folder)

    (path,) = shared(tmp_path_factory, "wheel", build).glob("*.whl")
    return path


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> "Dataset":
    """A prepared dataset of synthetic scenes: 40 to train on, 160 of val, of which 32 calibrate."""
    from helpers.artefacts import write_dataset
    from helpers.shared import shared
    from segdata.dataset.dataset import Dataset

    return Dataset(shared(tmp_path_factory, "dataset", write_dataset) / "prepared")


@pytest.fixture(scope="session")
def artefacts(dataset: "Dataset", tmp_path_factory: pytest.TempPathFactory) -> "Artefacts":
    """A UNet that was trained for some steps, and its exports."""
    from helpers.artefacts import read_artefacts, write_artefacts
    from helpers.shared import shared

    return read_artefacts(shared(tmp_path_factory, "artefacts", lambda folder: write_artefacts(folder, dataset)))
