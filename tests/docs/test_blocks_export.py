"""The commands of the pages on exports, precision, calibration, other networks and the graph do what the pages say."""

import pytest

from helpers.docs_blocks import of_pages, run_block
from helpers.docs_desk import Desk
from helpers.docs_pages import Block

PAGES = ("export.md", "precision.md", "calibration.md", "own-network.md", "graph-contract.md")


@pytest.mark.parametrize("block", of_pages(*PAGES), ids=str)
def test_each_block_of_commands_runs(block: Block, desk: Desk) -> None:
    run_block(block, desk)
