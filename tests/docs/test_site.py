"""The documentation's site: it builds, is complete, and loads nothing from other hosts."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from selenium import webdriver

from helpers.docs_pages import DOCS, PAGES, ROOT


class Page(HTMLParser):
    """The ids and links of a built page, and the files that a browser would load for it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.navigation: list[str] = []
        self.loads: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
            if "md-nav__link" in values.get("class", ""):
                self.navigation.append(urldefrag(values["href"])[0])
        elif tag in ("script", "img", "link", "iframe", "source", "video", "object", "embed"):
            self.loads += [values[name] for name in ("src", "href", "srcset", "data") if name in values]


@pytest.fixture(scope="module")
def site(site_folder: Path) -> dict[Path, Page]:
    """The site, page by page."""
    return {file: Page(file) for file in site_folder.rglob("*.html")}


def test_every_page_is_built(site: dict[Path, Page]) -> None:
    built = {file.relative_to(_root_of(site)).with_suffix(".md").as_posix() for file in site} - {"404.md"}
    assert built == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_every_page_is_reached_from_the_navigation_of_every_page(site: dict[Path, Page]) -> None:
    pages = {file for file in site if file.name != "404.html"}
    for file in pages:
        reached = {(file.parent / unquote(target)).resolve() for target in site[file].navigation if target}
        assert pages - {found / "index.html" if found.is_dir() else found for found in reached} - {file} == set()


def test_every_link_and_anchor_of_the_site_resolves(site: dict[Path, Page]) -> None:
    root, broken = _root_of(site), []
    for file, page in site.items():
        if file.name == "404.html":
            continue  # its links begin with a slash: it is shown at any address
        for link in page.links:
            target, anchor = urldefrag(link)
            if urlsplit(link).scheme or target.startswith("#"):
                continue
            found = (file.parent / unquote(target)).resolve() if target not in ("", ".") else file
            found = found / "index.html" if found.is_dir() else found
            if not found.is_file() or (anchor and found in site and unquote(anchor) not in site[found].ids):
                broken.append(f"{file.relative_to(root)}: {link}")
    assert broken == []


def test_no_page_is_wider_than_a_phone(site: dict[Path, Page], browser: webdriver.Chrome) -> None:
    """Wide tables and commands scroll; nothing is cut off."""
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    wide, scrolling = [], 0
    for file in site:
        browser.get(file.as_uri())
        if browser.execute_script("return document.documentElement.scrollWidth") > 390:
            wide.append(file.name)
        scrolling += browser.execute_script(
            "return [...document.querySelectorAll('pre > code')].filter(one => one.scrollWidth > one.clientWidth"
            " && getComputedStyle(one).overflowX === 'auto').length"
        )
    assert wide == []
    assert scrolling > 0


def test_the_site_loads_nothing_from_elsewhere(site: dict[Path, Page]) -> None:
    for page in site.values():
        assert [address for address in page.loads if re.match(r"(https?:)?//", address)] == []
    styles = [style.read_text() for style in _root_of(site).rglob("*.css")]
    assert not any(re.search(r"url\(['\"]?(https?:)?//|@import", style) for style in styles)


def test_the_docstrings_are_there(site: dict[Path, Page]) -> None:
    pages = {file.relative_to(_root_of(site)).as_posix(): page for file, page in site.items()}
    for page, name in (
        ("segrun", "segrun.segmenter.Segmenter.video"),
        ("segrun", "segrun.segmenter.Segmenter.__call__"),
        ("segrun", "segrun.pipeline.pipeline.Pipeline.run"),
        ("segdata", "segdata.dataset.dataset.Dataset.evaluation"),
        ("segdata", "segdata.spec.ModelSpec"),
        ("segexport", "segexport.export.export"),
        ("segtrain", "segtrain.network.unet.UNet"),
        ("segbench", "segbench.judge.figure_changes.judge"),
    ):
        assert name in pages[f"api/{page}.html"].ids


def test_a_shape_in_a_docstring_stays_a_shape(site: dict[Path, Page]) -> None:
    page = (_root_of(site) / "api" / "segrun.html").read_text()
    assert "RGB, uint8 [N, H, W, 3]." in page
    assert "[:FORMAT][@RATE]" in page


def test_every_link_of_the_readme_resolves() -> None:
    readme = (ROOT / "README.md").read_text()
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in readme.splitlines()
        if line.startswith("#")
    }
    for link in re.findall(r"\]\(([^)]+)\)", readme):
        target, anchor = urldefrag(link)
        if urlsplit(link).scheme:
            continue
        assert not target or (ROOT / target).exists(), link
        assert target or anchor in headings, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_machine_of_ours(page: Path) -> None:
    assert not re.search(r"\.\./shared|/work/|/root/|/home/|EDGESEG_DATA=", page.read_text())


def _root_of(site: dict[Path, Page]) -> Path:
    return next(file.parent for file in site if file.name == "404.html")
