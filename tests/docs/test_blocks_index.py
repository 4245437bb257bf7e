"""The commands of index.md, if-you-have.md and the model cards do what the pages say."""

import pytest

from helpers.docs_blocks import of_pages, run_block
from helpers.docs_desk import Desk
from helpers.docs_pages import Block

PAGES = ("index.md", "if-you-have.md", "unet-64.md", "unet-128.md", "unet-256.md")


@pytest.mark.parametrize("block", of_pages(*PAGES), ids=str)
def test_each_block_of_commands_runs(block: Block, desk: Desk) -> None:
    run_block(block, desk)
