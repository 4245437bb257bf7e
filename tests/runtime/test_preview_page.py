"""The preview's page, in a real browser."""

import io
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

from helpers.live_preview import BLUE, COLOURS, GREEN, RED, fed, opened, picture, port_of, until, write
from segrun.preview import page_server as preview_server
from segrun.preview.sink import PreviewSink

PHONE = (390, 844)
DESKTOP = (1280, 800)

# All at once: every second the page puts new ones in their place.
FIGURES = """
const text = (name) => document.getElementById(name).innerText;
const rows = [...document.querySelectorAll("#shares li")].map((row) => {
  const part = (name) => row.querySelector("." + name);
  const width = (name) => part(name).getBoundingClientRect().width;
  return {
    name: part("name").innerText,
    percent: part("percent").innerText,
    swatch: getComputedStyle(part("swatch")).backgroundColor,
    bar: width("bar"),
    track: width("track"),
  };
});
return [text("fps"), text("p50"), text("p99"), text("position"), rows];
"""


@pytest.fixture(params=[None, "wo&rd"], ids=["open", "token"])
def sink(browser: webdriver.Chrome, request: pytest.FixtureRequest) -> Iterator[PreviewSink]:
    sink = opened("127.0.0.1:0", request.param)
    yield sink
    browser.get("about:blank")
    sink.finish()
    # So that the next test reads only its own.
    browser.get_log("browser")
    browser.get_log("performance")


def resize(browser: webdriver.Chrome, size: tuple[int, int], scheme: str = "light") -> None:
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def text(browser: webdriver.Chrome, element: str) -> str:
    return browser.find_element(By.ID, element).text


def pixel(browser: webdriver.Chrome) -> tuple[int, int, int]:
    """The colour in the middle of the shown picture, as it is on the screen; black if none is shown."""
    box = browser.find_element(By.ID, "picture").rect
    if not box["width"]:
        return (0, 0, 0)
    screen = np.asarray(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB"))
    red, green, blue = screen[int(box["y"] + box["height"] / 2), int(box["x"] + box["width"] / 2)]
    return int(red), int(green), int(blue)


def shows(browser: webdriver.Chrome, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(np.subtract(pixel(browser), colour)).max() < 8)


def test_the_picture_moves(browser: webdriver.Chrome, sink: PreviewSink) -> None:
    resize(browser, DESKTOP)
    browser.get(sink.address)
    assert browser.title == "edgeseg"
    until(lambda: text(browser, "state") == "Waiting for the first frame")
    for colour in (RED, GREEN, BLUE, RED):
        write(sink, picture(colour))  # one only: it must be shown without the next
        until(lambda colour=colour: shows(browser, colour))  # type: ignore[misc] # mypy knows no default of a lambda
    assert browser.find_element(By.ID, "picture").get_attribute("alt")
    until(lambda: text(browser, "state") == "Live")
    assert browser.get_log("browser") == []


def test_the_figures_are_of_the_run_and_names_are_only_text(browser: webdriver.Chrome, sink: PreviewSink) -> None:
    resize(browser, DESKTOP)
    browser.get(sink.address)
    with fed(sink, [RED, GREEN]):
        until(lambda: text(browser, "frames").isdigit() and int(text(browser, "frames")) > 1)
        before = text(browser, "frames")
        until(lambda: text(browser, "frames") != before)
        fps, p50, p99, position, rows = browser.execute_script(FIGURES)
    assert float(fps) > 0
    assert float(p50) <= float(p99)
    assert position.startswith("0:")
    assert [row["name"] for row in rows] == ["road", "sky", "<b>person</b>"]
    assert [row["percent"] for row in rows] == ["50.0 %", "25.0 %", "25.0 %"]
    assert [row["swatch"] for row in rows] == [f"rgb({red}, {green}, {blue})" for red, green, blue in COLOURS]
    assert rows[1]["bar"] == pytest.approx(rows[1]["track"] / 4, abs=1)
    assert browser.find_elements(By.CSS_SELECTOR, "#shares b") == []
    assert browser.get_log("browser") == []


def test_no_request_leaves_the_server(browser: webdriver.Chrome, sink: PreviewSink) -> None:
    resize(browser, DESKTOP)
    browser.get_log("performance")
    browser.get(sink.address)
    with fed(sink, [RED]):
        until(lambda: text(browser, "state") == "Live")
    asked = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"])
    netlocs = {urlsplit(url).netloc for url in asked if not url.startswith("data:")}
    assert netlocs == {f"127.0.0.1:{port_of(sink)}"}
    assert {urlsplit(url).path for url in asked} >= {"/", "/stream.mjpg", "/stats"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, (320, 568), DESKTOP], ids=["390", "320", "1280"])
def test_it_fits_and_is_lit_as_the_screen_is(
    size: tuple[int, int], scheme: str, browser: webdriver.Chrome, sink: PreviewSink
) -> None:
    resize(browser, size, scheme)
    browser.get(sink.address)
    write(sink, picture(RED, 480, 640))
    until(lambda: text(browser, "frames") == "1")
    until(lambda: shows(browser, RED))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    ground = np.asarray(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("L"))[1, 1]
    assert ground > 200 if scheme == "light" else ground < 50


def contrasts(browser: webdriver.Chrome) -> list[float]:
    """The contrast of each text of the page with its background, as WCAG 2.2 measures it."""
    script = """
        const linear = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        const light = colour => {
            const [red, green, blue] = colour.match(/[\\d.]+/g).map(value => linear(value / 255));
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        const behind = element => {
            const colour = getComputedStyle(element).backgroundColor;
            return colour === "rgba(0, 0, 0, 0)" ? behind(element.parentElement) : colour;
        };
        const texts = "h1, h2, dt, dd, dd small, #state, .name, .percent, button, select, label, .button, .hint";
        return [...document.querySelectorAll(texts)].map(element => {
            const both = [light(getComputedStyle(element).color), light(behind(element))];
            return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
        });
    """
    return [float(contrast) for contrast in browser.execute_script(script)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(scheme: str, browser: webdriver.Chrome, sink: PreviewSink) -> None:
    resize(browser, DESKTOP, scheme)
    browser.get(sink.address)
    write(sink, picture(RED))
    until(lambda: text(browser, "state") == "Live")
    assert len(contrasts(browser)) > 15
    assert min(contrasts(browser)) >= 4.5
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"


def test_the_page_says_that_the_run_has_ended_and_keeps_its_last_picture(
    browser: webdriver.Chrome, sink: PreviewSink
) -> None:
    resize(browser, DESKTOP)
    browser.get(sink.address)
    write(sink, picture(RED))
    until(lambda: text(browser, "state") == "Live")
    write(sink, picture(GREEN))
    port = port_of(sink)
    sink.finish()
    until(lambda: text(browser, "state") == "The run has ended.")
    assert shows(browser, GREEN)
    assert "error" not in browser.page_source.lower().split("<script>")[0]
    token = "wo&rd" if "token=" in sink.address else None
    another = opened(f"127.0.0.1:{port}", token)
    try:
        write(another, picture(BLUE))
        until(lambda: text(browser, "state") == "Live")
        until(lambda: shows(browser, BLUE))
    finally:
        browser.get("about:blank")
        another.finish()


def test_one_viewer_too_many_sees_the_figures_and_why_no_picture(
    browser: webdriver.Chrome, sink: PreviewSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_server, "STREAMS", 0)
    browser.get(sink.address)
    write(sink, picture(RED))
    until(lambda: text(browser, "state") == "Too many viewers for a live picture")
    until(lambda: text(browser, "frames") == "1")
    monkeypatch.setattr(preview_server, "STREAMS", 1)
    until(lambda: text(browser, "state") == "Live")
    until(lambda: shows(browser, RED))


def test_viewers_set_the_page_with_its_controls(browser: webdriver.Chrome, sink: PreviewSink) -> None:
    resize(browser, DESKTOP)
    browser.get(sink.address)
    write(sink, picture(RED))
    until(lambda: shows(browser, RED))
    until(lambda: browser.find_element(By.ID, "controls").is_displayed())
    assert not browser.find_element(By.ID, "replay").is_displayed()  # this is no file
    assert not browser.find_element(By.ID, "show-all").is_displayed()
    browser.execute_script(
        "const a = document.getElementById('alpha'); a.value = 1; a.dispatchEvent(new Event('input'))"
    )
    until(lambda: sink.controls.look.alpha == 1)
    until(lambda: not shows(browser, RED))
    until(lambda: bool(browser.find_elements(By.CSS_SELECTOR, "button.class[data-name=sky]")))
    browser.find_element(By.CSS_SELECTOR, "button.class[data-name=sky]").click()
    until(lambda: sink.controls.look.hidden == {"sky"})
    until(lambda: browser.find_element(By.ID, "show-all").is_displayed())
    browser.find_element(By.ID, "show-all").click()
    until(lambda: not sink.controls.look.hidden)
    browser.find_element(By.ID, "legend").click()
    browser.find_element(By.ID, "outlines").click()
    browser.find_element(By.CSS_SELECTOR, "#view option[value=mask]").click()
    until(lambda: sink.controls.look.view == "mask" and sink.controls.look.legend and sink.controls.look.outlines)
    browser.find_element(By.ID, "pause").click()
    until(lambda: text(browser, "state") == "Paused")
    assert sink.controls.paused
    assert text(browser, "pause") == "Play"
    assert "snapshot.png" in str(browser.find_element(By.ID, "snapshot").get_attribute("href"))
    assert browser.get_log("browser") == []
