"""The commands of run.md, fleet.md, data.md, labelling.md and the lite models do what the page says."""

import pytest

from helpers.docs_blocks import of_pages, run_block
from helpers.docs_desk import Desk
from helpers.docs_pages import Block

PAGES = (
    "run.md",
    "fleet.md",
    "data.md",
    "labelling.md",
    "unet-128-lite.md",
    "unet-256-lite.md",
)


@pytest.mark.parametrize("block", of_pages(*PAGES), ids=str)
def test_each_block_of_commands_runs(block: Block, desk: Desk) -> None:
    run_block(block, desk)
