"""A folder with what the pages name."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.docs_desk import Desk, lay
from segdata.dataset.dataset import Dataset

if TYPE_CHECKING:
    from conftest import Artefacts


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, artefacts: "Artefacts", street_video: Path) -> Desk:
    return lay(tmp_path, dataset, artefacts, street_video)
