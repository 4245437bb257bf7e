"""The report's page, in a real browser, and what it is made of."""

import io
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from helpers.sample_reports import CLASSES, made_report, made_result
from segbench.report.page import to_page, write_page
from segbench.report.plots import plot_accuracy_against_rate
from segbench.results import AccuracyResult, BenchReport, QualityResult, Rate, StageSpan, Verdict

PHONE, DESKTOP = (390, 844), (1280, 900)
STAGES = ("decode", "infer", "draw", "encode")
SCRIPT = '<script>document.title="taken"</script><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(made_report(), path)
    return path


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "hostile.html"
    write_page(hostile_report(), path)
    return path


def hostile_report() -> BenchReport:
    """Every text of a report is an attack, or breaks XML, matplotlib's formulas, fonts or UTF-8."""
    names = (SCRIPT, "_under", "$x_{$", "網路\x00", "]]>--><!--", "\udc80\x1b[2J")
    accuracy = AccuracyResult(0.4, 0.5, 0.6, dict.fromkeys(names, 0.5), None)
    spans = tuple(StageSpan(name, index, index + 1.0) for index, name in enumerate(names))
    stages = dict.fromkeys(names, 1.0)
    results = [
        replace(made_result(), artefact=name, device=name, accuracy=accuracy, stage_milliseconds=stages, timeline=spans)
        for name in names
    ]
    machine = replace(made_report().machine, system=SCRIPT, libraries={SCRIPT: SCRIPT})
    verdict = Verdict(SCRIPT, (SCRIPT,))
    quality = (QualityResult(SCRIPT, SCRIPT, 3, 0.9, {SCRIPT: 0.9}, None, 0.1, 0.5, ()),)
    return made_report(
        results=tuple(results), machine=machine, verdict=verdict, warnings=names, video=SCRIPT, quality=quality
    )


def show(browser: webdriver.Chrome, page: Path, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())


def attribute(element: WebElement, name: str) -> str:
    """Return an attribute that the element must have."""
    value = element.get_attribute(name)
    assert value is not None
    return value


def requests(browser: webdriver.Chrome) -> set[str]:
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
    return {message["params"]["request"]["url"] for message in sent}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["390", "1280"])
def test_it_fits_is_quiet_and_is_lit_as_the_screen_is(
    browser: webdriver.Chrome, page: Path, size: tuple[int, int], scheme: str
) -> None:
    show(browser, page, size, scheme)
    assert browser.title == "edgeseg benchmark: AMD EPYC 9B45, 2 cores, no GPU used"
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    assert browser.get_log("browser") == []
    assert {url for url in requests(browser) if not url.startswith("data:")} == {page.as_uri()}
    ground = np.asarray(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("L"))[1, 1]
    assert ground > 200 if scheme == "light" else ground < 50


def test_it_has_the_figures_the_plots_and_their_captions(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    rows = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "tr.recommended")]
    assert rows == [
        "unet-256.int8.onnx int8 OpenVINO int8/bf16 359 54.5",
        "unet-256.int8.onnx 222 ±1% 5.49 5.98 8.40 75.9 ±2% 73.5",
        "unet-256.int8.onnx 41.76 30.76 82.76 -0.24 -0.29 to -0.20",
    ]
    headings = [heading.text for heading in browser.find_elements(By.TAG_NAME, "h2")]
    assert headings == [
        "Verdict", "Warnings", "Runtime and resources", "Speed", "Accuracy, percent", "How to read it",
        "GTX 1660 Ti", "One frame in each precision", "Accuracy against speed", "Latency of single frames",
        "IoU by class", "Work a frame, by stage", "Stages over time", "Machine", "Behind the figures",
    ]  # fmt: skip
    figures = browser.find_elements(By.CSS_SELECTOR, "figure:has(svg)")
    assert len(figures) == 2 + 2 + 3 + 1 + 9
    for figure in figures:
        caption = attribute(figure.find_element(By.TAG_NAME, "figcaption"), "textContent")
        assert "Measured on AMD EPYC 9B45, 2 cores" in caption
        svg = figure.find_element(By.TAG_NAME, "svg")
        assert svg.get_attribute("role") == "img"
        assert svg.get_attribute("aria-label")
    drawn = [figure.find_element(By.TAG_NAME, "svg").size for figure in figures if figure.is_displayed()]
    assert len(drawn) == 2 + 2 + 3 + 1 + 1  # the timelines but the recommended one's are folded
    assert min(size["height"] for size in drawn) > 100
    assert "run seg-bench contribute on one" in browser.find_element(By.CSS_SELECTOR, ".missing p").text


def test_plots_show_what_was_measured(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    count = "return arguments[0].querySelectorAll(arguments[1]).length"
    plots = {
        attribute(figure.find_element(By.TAG_NAME, "svg"), "aria-label"): figure
        for figure in browser.find_elements(By.CSS_SELECTOR, "figure:has(svg)")
    }
    (timeline,) = [figure for label, figure in plots.items() if label.startswith("unet-256.int8.onnx")]
    assert browser.execute_script(count, timeline, "path[style*='--series']") == 4 * 40
    (by_class,) = [figure for label, figure in plots.items() if label.startswith("unet-256. ")]
    known = 3 * (len(CLASSES) - 1)  # one class does not occur
    assert browser.execute_script(count, by_class, "use[style*='--series']") == known + 3
    assert {text.text for text in by_class.find_elements(By.TAG_NAME, "text")} >= set(CLASSES) | {"int8"}


def test_a_frame_in_each_precision_is_compared_with_float32(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    figures = browser.find_elements(By.CSS_SELECTOR, "figure:has(img)")
    captions = [figure.find_element(By.TAG_NAME, "figcaption").text for figure in figures]
    assert captions[:3] == [
        "fp32 2.00 s into the video.",
        "fp16 98.76 % of the pixels as in unet-64.fp32.onnx; orange where they differ.",
        "int8 98.76 % of the pixels as in unet-64.fp32.onnx; orange where they differ.",
    ]
    pictures = [figure.find_elements(By.TAG_NAME, "img") for figure in figures]
    assert [len(each) for each in pictures] == 3 * [1, 2, 2]
    widths = {browser.execute_script("return arguments[0].naturalWidth", one) for each in pictures for one in each}
    assert widths == {96}  # decoded, not broken


def colours_of_stages(figure: WebElement) -> dict[str, str]:
    """Return the colour of the mark at the height of each stage's name, in a plot with a row a stage."""
    marks = figure.find_elements(By.CSS_SELECTOR, "path[style*='--series']")
    rows = {text.text: text.rect["y"] + text.rect["height"] / 2 for text in figure.find_elements(By.TAG_NAME, "text")}
    found = {}
    for mark in marks:
        middle = mark.rect["y"] + mark.rect["height"] / 2
        nearest = min((name for name in rows if name in STAGES), key=lambda name: abs(rows[name] - middle))
        found[nearest] = re.findall(r"--series-\d", attribute(mark, "style"))[0]
    return found


def test_a_stage_has_one_colour_in_every_plot_and_models_have_others(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Also where the stages of one artefact began in another order."""
    first, second = made_result(precision="fp32"), made_result(precision="int8")
    turned = replace(second, timeline=tuple(reversed(second.timeline)))
    path = tmp_path / "report.html"
    write_page(made_report(results=(first, turned)), path)
    show(browser, path)
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    timelines = browser.find_elements(By.CSS_SELECTOR, "details figure")
    ours, theirs = map(colours_of_stages, timelines)
    assert ours == theirs
    assert len(set(ours.values())) == len(STAGES)
    (stages,) = browser.find_elements(By.CSS_SELECTOR, "svg[aria-label^='All artefacts']")
    names = [text.text.strip() for text in stages.find_elements(By.TAG_NAME, "text")]
    legend = stages.find_elements(By.CSS_SELECTOR, "use[style*='--series']")[-len(STAGES) :]
    colours = [re.findall(r"--series-\d", attribute(one, "style"))[0] for one in legend]
    assert dict(zip([name for name in names if name in STAGES], colours, strict=True)) == ours
    (classes,) = browser.find_elements(By.CSS_SELECTOR, "svg[aria-label^='unet-256. ']")
    assert not set(ours.values()) & set(re.findall(r"--series-\d", attribute(classes, "innerHTML")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_shows_that_it_scrolls_until_its_end_is_seen(
    browser: webdriver.Chrome, page: Path, scheme: str
) -> None:
    """An arrow below and a shadow over the edge show that something is cut off."""
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    show(browser, page, PHONE, scheme)
    table = browser.find_element(By.CSS_SELECTOR, ".scroll[aria-label='Speed']")

    def seen() -> tuple[float, float]:
        """Return how much the arrow's strip and the right edge differ from what is left of them."""
        image = np.asarray(Image.open(io.BytesIO(table.screenshot_as_png)).convert("L"), dtype=float)
        arrow, edge = image[-14:-2, -50:], image[20:-20, -2:]
        return float(np.ptp(arrow)), float(abs(np.median(edge) - np.median(image[20:-20, -60:-40])))

    arrow, shadow = seen()
    assert min(arrow, shadow) > 15
    browser.execute_script("arguments[0].scrollLeft = 10000", table)
    assert max(seen()) <= 2
    show(browser, page, DESKTOP, scheme)
    table = browser.find_element(By.CSS_SELECTOR, ".scroll[aria-label='Speed']")
    assert max(seen()) <= 2


def test_small_differences_look_small() -> None:
    """Two artefacts 0.03 points of mIoU and 0.3 FPS apart stand close together on both axes."""
    one = made_result(end_to_end=Rate((100.0,)))
    assert one.accuracy is not None
    assert one.accuracy.miou_official is not None
    other = replace(
        one,
        end_to_end=Rate((100.3,)),
        accuracy=replace(one.accuracy, miou_official=one.accuracy.miou_official + 0.0003),
    )
    figure = plot_accuracy_against_rate([one, other], lambda each: each.end_to_end, {"unet-256": "#000000"})
    (axes,) = figure.axes
    assert 0.03 / np.ptp(axes.get_ylim()) < 0.02
    assert 0.3 / np.ptp(axes.get_xlim()) < 0.02


def contrasts(browser: webdriver.Chrome) -> list[float]:
    """The contrast of each text with its background, those of the plots included, as WCAG 2.2 measures it."""
    script = """
        const linear = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
        const light = colours => {  // laid over each other, the first one lowest
            for (const colour of colours) {
                canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
            }
            const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map(value => linear(value / 255));
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        const behind = element =>
            element ? [...behind(element.parentElement), getComputedStyle(element).backgroundColor] : ["white"];
        return [...document.querySelectorAll("h1, h2, h3, p, li, th, td, dt, dd, figcaption, summary, svg text")].map(
            element => {
                const style = getComputedStyle(element);
                const text = element.tagName === "text" ? style.fill : style.color;
                const both = [light([text]), light(behind(element))];
                return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
            });
    """
    return [float(contrast) for contrast in browser.execute_script(script)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(browser: webdriver.Chrome, page: Path, scheme: str) -> None:
    show(browser, page, DESKTOP, scheme)
    found = contrasts(browser)
    assert len(found) > 500
    assert min(found) >= 4.5


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["390", "1280"])
def test_no_text_is_more_than_text(browser: webdriver.Chrome, hostile_page: Path, size: tuple[int, int]) -> None:
    show(browser, hostile_page, size)
    assert browser.title.startswith("edgeseg benchmark: ")
    assert browser.find_elements(By.TAG_NAME, "script") == []
    assert not browser.find_elements(By.CSS_SELECTOR, "img:not([src^='data:image/jpeg;base64,'])")
    assert browser.get_log("browser") == []
    assert {url for url in requests(browser) if not url.startswith("data:")} == {hostile_page.as_uri()}
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    assert browser.find_element(By.CSS_SELECTOR, ".warnings li").text == SCRIPT
    drawn = {text.text.strip() for text in browser.find_elements(By.CSS_SELECTOR, "svg text")}
    assert {"_under", "$x_{$", "]]>--><!--"} <= drawn


class Elements(HTMLParser):
    """Counts the tags and ids of a page, and gathers all that its attributes point to."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name == "id":
                self.ids[value or ""] += 1
            if name in ("href", "xlink:href", "src", "srcset", "action"):
                self.links.add(value or "")
            self.links.update(re.findall(r"url\(([^)]*)\)", value or ""))


def test_it_holds_no_script_no_address_and_no_id_twice() -> None:
    text = to_page(made_report())
    found = Elements()
    found.feed(text)
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(found.tags)
    assert max(found.ids.values()) == 1
    inside = {link for link in found.links if link.startswith("#")}
    pictures = {link for link in found.links if link.startswith("data:image/")}
    assert found.links - inside - pictures == {"data:,"}
    assert {link[1:] for link in inside} <= set(found.ids)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert "@import" not in text


def test_the_same_report_gives_the_same_page() -> None:
    assert to_page(made_report()) == to_page(made_report())


def test_what_was_not_measured_leaves_no_plot_and_no_nan() -> None:
    bare = replace(
        made_result(), memory_mb=None, energy=None, accuracy=None, timeline=(), stage_milliseconds={"decode": 1.0}
    )
    text = to_page(made_report(results=(bare,), dataset=None, warnings=(), verdict=Verdict(None, ())))
    assert "Accuracy: not measured" in text
    for absent in ("Accuracy against speed", "IoU by class", "Stages over time", ">Warnings<", ">Verdict<"):
        assert absent not in text
    assert not re.search(r">\s*(nan|None|inf)\s*<", text)
    assert text.count("<svg") == 2 + 1
    assert to_page(made_report(results=())).count("<svg") == 0
