"""The page that runs the models in a browser: its pictures, its messages, and that nothing leaves the machine."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from helpers.browser import Site, chromium
from helpers.docs_pages import ROOT, build_site
from segdata.shipped import MODELS, model_files, shipped_onnx
from segdata.synth import scene
from segrun.segmenter import Segmenter

PATIENCE = 60  # seconds until a test gives up
PHONE, DESKTOP = (390, 844), (1280, 900)


@pytest.fixture(scope="module")
def served(site_folder: Path) -> Iterator[Site]:
    if json.loads((site_folder / "try" / "models.json").read_text())["runtime"] is None:
        pytest.skip("ONNX Runtime Web is missing; `make docs` downloads it with npm")
    site = Site(site_folder)
    yield site
    site.close()


class TryPage:
    """The page, as a user sees it."""

    def __init__(self, browser: webdriver.Chrome, site: Site, downloads: Path) -> None:
        self.browser, self._site, self._downloads = browser, site, downloads
        behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        self.size(DESKTOP)

    def open(self) -> None:
        self.browser.get(f"{self._site.address}/try/index.html")
        self.until("Ready.")

    def size(self, size: tuple[int, int], scheme: str = "light") -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def text(self, element: str) -> str:
        return str(self.script(f"document.getElementById('{element}')?.innerText"))

    def script(self, expression: str) -> Any:  # noqa: ANN401 - whatever JavaScript has
        return self.browser.execute_script(f"return {expression}")

    def press(self, element: str) -> None:
        self.browser.find_element(By.ID, element).click()

    def choose(self, file: Path) -> None:
        self.browser.find_element(By.ID, "file").send_keys(str(file))

    def take(self, model: str) -> None:
        """Choose the model of this file."""
        options = self.browser.find_elements(By.CSS_SELECTOR, "#model option")
        name = model.removesuffix(".onnx").replace(".", " ")
        next(option for option in options if option.text.startswith(f"{name},")).click()

    def until(self, said: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while said not in self.text("say"):
            assert time.monotonic() < deadline, f"the page says {self.text('say')!r}, not {said!r}"
            time.sleep(0.02)

    def mask(self, name: str) -> Image.Image:
        """What the button downloads for the picture of this name."""
        path = self._downloads / f"{name}.labels.png"
        path.unlink(missing_ok=True)
        self.press("mask")
        deadline = time.monotonic() + PATIENCE
        while not path.is_file():
            assert time.monotonic() < deadline, f"no {path.name} came"
            time.sleep(0.02)
        image = Image.open(path)
        image.load()
        return image


@pytest.fixture(scope="module")
def page(browser: webdriver.Chrome, served: Site, tmp_path_factory: pytest.TempPathFactory) -> TryPage:
    page = TryPage(browser, served, tmp_path_factory.mktemp("downloads"))
    page.open()
    return page


def write_scene(path: Path, seed: int, height: int, width: int) -> Path:
    cv2.imwrite(str(path), cv2.cvtColor(scene(seed, height, width).image, cv2.COLOR_RGB2BGR))
    return path


def at_centres(mask: Image.Image | npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """The mask at the centre of each of the network's pixels; between two, either could be the nearest."""
    labels = np.asarray(mask)
    rows, columns = (((np.arange(size) + 0.5) * length / size).astype(int) for length in labels.shape)
    return np.asarray(labels[np.ix_(rows, columns)])


@pytest.mark.parametrize(
    ("model", "seeds"),
    [
        (shipped_onnx(64)[1], range(10)),
        (shipped_onnx(64)[0], range(2)),
        (shipped_onnx(256)[1], range(2)),
    ],
    ids=["unet-64.int8", "unet-64.fp16", "unet-256.int8"],
)
def test_labels_are_those_of_onnx_runtime(page: TryPage, model: Path, seeds: range, tmp_path: Path) -> None:
    page.take(model.name)
    equal, size = [], int(model.name.split(".")[0].removeprefix("unet-"))
    with Segmenter(model, "onnxruntime") as segmenter:
        for seed in seeds:
            height = 270 + 7 * seed
            path = write_scene(tmp_path / f"{model.stem}-{seed}.png", seed, height, 480)
            page.choose(path)
            page.until(f"{path.name}, 480x{height}, by")
            mask = page.mask(path.stem)
            assert mask.getpalette() == [part for colour in segmenter.colours for part in colour]
            image = np.asarray(Image.open(path))
            equal.append(float((at_centres(mask, size) == at_centres(segmenter(image), size)).mean()))
    assert np.mean(equal) >= 0.999, [round(share, 5) for share in equal]


def test_the_finest_model_differs_no_more_than_onnx_runtime_does_from_itself(page: TryPage, tmp_path: Path) -> None:
    """unet-256-lite in INT8: the order of sums in a runtime decides some of its labels."""
    (model,) = model_files(Path("unet-256-lite"))
    plain = onnxruntime.SessionOptions()
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    usual, unoptimised = (onnxruntime.InferenceSession(model, options) for options in (None, plain))
    page.take(model.name)
    here, there = [], []
    for seed in range(3):
        path = write_scene(tmp_path / f"finest-{seed}.png", seed, 256, 256)
        page.choose(path)
        page.until(f"{path.name}, 256x256, by unet-256-lite int8")
        frames = {"frames": np.asarray(Image.open(path))[None]}
        labels = usual.run(["labels"], frames)[0]
        here.append((np.asarray(page.mask(path.stem)) == labels).mean())
        there.append((unoptimised.run(["labels"], frames)[0] == labels).mean())
    assert np.mean(here) >= np.mean(there) - 0.005, (here, there)


def test_the_shares_are_those_of_the_mask(page: TryPage, tmp_path: Path) -> None:
    path = write_scene(tmp_path / "shares.png", 3, 256, 256)
    page.take("unet-256.int8.onnx")
    page.choose(path)
    page.until("shares.png, 256x256, by unet-256 int8")
    counts = np.bincount(np.asarray(page.mask("shares")).ravel())
    largest = int(counts.argmax())
    with Segmenter(shipped_onnx(256)[1]) as segmenter:
        name = segmenter.classes[largest]
    assert page.text("shares").splitlines()[:2] == [name, f"{counts[largest] / counts.sum() * 100:.1f} %"]


def test_it_computes_on_every_core(page: TryPage) -> None:
    cores = page.script("navigator.hardwareConcurrency")
    page.press("sample")
    page.until("street.png, 640x360, by")
    assert page.text("threads") == str(cores)


def test_a_clip_runs_until_it_is_stopped(page: TryPage, street_video: Path) -> None:
    page.take("unet-64.int8.onnx")
    page.choose(street_video)
    page.until("Segmenting street.mp4.")
    deadline = time.monotonic() + PATIENCE
    while page.text("fps") in ("\N{EN DASH}", "0.0"):
        assert time.monotonic() < deadline, "no frame after the first"
        time.sleep(0.02)
    assert float(page.text("fps")) > 0
    page.press("stop")
    page.until("Stopped.")
    assert page.mask("street").size == (160, 96)


# --- errors are told in a sentence, and the page keeps working ---


@pytest.mark.parametrize("name", ["notes.txt", "photo.jpg", "clip.mp4"])
def test_a_file_that_is_no_picture_is_refused(page: TryPage, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("no picture")
    page.choose(path)
    page.until(f"{name} is not a photo or clip that this browser can show: choose a JPEG")


def test_a_hundred_megapixels_are_refused_before_they_are_decoded(page: TryPage, tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (10000, 10000)).save(path)
    page.choose(path)
    page.until("huge.png has 100 megapixels (10000x10000), but this page takes at most 50: make it smaller first.")


def test_where_there_is_no_camera_it_says_so(page: TryPage) -> None:
    page.press("webcam")
    page.until("No camera was found: connect one, or choose a file.")


def test_a_model_that_does_not_load_is_named_and_another_one_works(page: TryPage, served: Site, tmp_path: Path) -> None:
    served.instead["/try/models/unet-128.fp16.onnx"] = shipped_onnx(128)[0].read_bytes()[:5000]
    path = write_scene(tmp_path / "after.png", 1, 64, 64)
    page.take("unet-128.fp16.onnx")
    page.choose(path)
    page.until("unet-128 fp16 could not be loaded: ")
    assert page.text("say").endswith("Choose another model, or reload the page.")
    page.take("unet-64.int8.onnx")
    page.until("after.png, 64x64, by unet-64 int8")


def test_a_site_without_the_runtime_says_how_to_get_it(page: TryPage, served: Site) -> None:
    served.instead["/try/models.json"] = b'{"runtime": null, "models": []}'
    page.browser.get(page.browser.current_url)
    page.until("This site was built without ONNX Runtime Web")
    assert "make docs" in page.text("say")
    del served.instead["/try/models.json"]
    page.open()


# --- how it is used and seen ---


def test_the_keyboard_reaches_everything(page: TryPage) -> None:
    page.open()
    page.script("document.getElementById('file').focus()")
    reached = []
    for _ in range(7):
        reached.append(page.script("document.activeElement.id"))
        if reached[-1] == "sample":
            ActionChains(page.browser).send_keys(Keys.ENTER).perform()
            page.until("street.png, 640x360, by")
        ActionChains(page.browser).send_keys(Keys.TAB).perform()
    assert reached == ["file", "webcam", "sample", "mask", "model", "backend", "alpha"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_fits_and_follows_the_colour_scheme(page: TryPage, size: tuple[int, int], scheme: str) -> None:
    page.script("addEventListener('pagehide', () => localStorage.clear())")  # the scheme of the test before
    page.size(size, scheme)
    page.open()
    page.press("sample")
    page.until("street.png, 640x360, by")
    root = "document.documentElement"
    wide = page.script(f"{root}.scrollWidth - {root}.clientWidth")
    assert wide <= 0
    ground = "getComputedStyle(document.body).backgroundColor"
    red = int(page.script(ground).split("(")[1].split(",")[0])
    assert (red > 128) == (scheme == "light")
    page.size(DESKTOP)


def test_the_webcam_is_segmented_and_nothing_asks_another_host(served: Site, tmp_path: Path) -> None:
    log = tmp_path / "network.json"
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with chromium(*camera, f"--log-net-log={log}") as browser:
        page = TryPage(browser, served, tmp_path)
        page.open()
        page.take("unet-64.int8.onnx")
        page.press("webcam")
        page.until("Segmenting the webcam.")
        page.press("stop")
        page.until("Stopped.")
    requests = [event["params"] for event in json.loads(log.read_text())["events"] if "url" in event.get("params", {})]
    # Requests of the page and its workers; browsers also send requests to their makers.
    ours = [each["url"] for each in requests if str(each.get("initiator", "")).startswith(served.address)]
    assert any(url.endswith("ort-wasm-simd-threaded.wasm") for url in ours)
    assert {urlsplit(url).netloc for url in ours if not url.startswith(("blob:", "data:"))} == {
        urlsplit(served.address).netloc
    }


# --- how it is built ---


def test_without_npm_the_site_is_built_and_knows_what_is_missing(tmp_path: Path) -> None:
    """Strictly, as with npm."""
    for name in ("data", "train", "export", "runtime", "benchmarks"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    fetch = [sys.executable, "docs/onnxruntime_web.py"]
    done = subprocess.run(fetch, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "npm is not installed: the page docs/try/ will have no runtime\n")
    built = build_site(tmp_path / "site", tmp_path)
    assert (built.returncode, built.stderr) == (0, "")
    site = json.loads((tmp_path / "site/try/models.json").read_text())
    assert site["runtime"] is None
    shipped = [path for name in MODELS for path in model_files(Path(name))]
    assert sorted(Path(model["file"]).name for model in site["models"]) == sorted(path.name for path in shipped)
    assert [model["file"] for model in site["models"] if model["chosen"]] == ["models/unet-256.int8.onnx"]
