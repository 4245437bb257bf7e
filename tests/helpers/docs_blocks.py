"""Runs the commands of pages, one block at a time. Each test file has its own pages, so that they run in parallel."""

import re
import shutil

import pytest

from helpers.docs_desk import Desk, prepare, quick, why_not
from helpers.docs_pages import PAGES, Block, blocks, find_shapes


def of_pages(*names: str) -> list[Block]:
    """Return the blocks of commands of the pages with these names."""
    pages = {page.name: page for page in PAGES}
    return [block for name in names for block in blocks(pages[name]) if block.steps]


def run_block(block: Block, desk: Desk) -> None:
    """Run the lines of a block that can run here, and compare their output with the page's."""
    steps = [step for step in block.steps if not why_not(step.line)]
    for program in ("ffmpeg", "jq"):
        if any(re.search(rf"\b{program} ", step.line) for step in steps) and not shutil.which(program):
            pytest.skip(f"needs {program}")
    for step in steps:
        line = quick(step.line)
        prepare(desk, line)
        printed = desk.run(line)
        assert find_shapes(step.prints, printed) is None, f"{line}\n{printed}"
