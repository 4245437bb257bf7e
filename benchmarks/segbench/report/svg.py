"""A matplotlib figure as SVG inside a page: in the page's font and colours, light or dark."""

import io
import re
import warnings
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

INK, FAINT, GROUND = "#000001", "#000002", "#000003"
SERIES = tuple(f"#0000{number}" for number in range(11, 19))
"""Placeholders for the page's colours: text, lines, background, and eight to tell series apart."""

_STYLE: Any = {  # the keys in matplotlib's own types differ between versions
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and shown in the page's font
    "font.size": 9,
    "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": FAINT,
    "grid.color": FAINT, "grid.linewidth": 0.6, "axes.grid": True, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False,
    "xtick.major.size": 0, "ytick.major.size": 0, "xtick.minor.size": 0,
    "axes.titlesize": 9, "axes.titlelocation": "left", "legend.frameon": False, "legend.fontsize": 8.5,
}  # fmt: skip

_PAGE_COLOURS = {
    INK: "currentColor",
    FAINT: "var(--line)",
    GROUND: "var(--card)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)},
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def to_svg(name: str, label: str, plot: Callable[[], Figure]) -> str:
    """Return what `plot` draws as one <svg> element; `name` makes its ids unique in a page, `label` is read aloud."""
    file = io.BytesIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # matplotlib measures with another font than the page's, which may not have every character of a name.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        plot().savefig(file, format="svg", transparent=True, metadata={"Date": None})
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):  # its style would apply to the whole page
                parent.remove(child)
    for attribute in ("width", "height"):
        root.attrib.pop(attribute)
    used = set(re.findall(r'(?:url\(|href=")#([\w.-]+)', ElementTree.tostring(root, encoding="unicode")))
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        if "style" in element.attrib:
            element.set("style", _in_page_terms(element.attrib["style"]))
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")


def _in_page_terms(style: str) -> str:
    # Before 3.11 matplotlib wrote size and family as one.
    style = re.sub(r"font-family: [^;]*(; )?", "", re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", style))
    for colour, of_page in _PAGE_COLOURS.items():
        style = style.replace(colour, of_page)
    return style
