"""Fixtures for the tests of this folder."""

from pathlib import Path

import pytest

from helpers.sound_files import write_sound_files


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one sound file of each kind; not to be changed."""
    folder = tmp_path_factory.mktemp("robustness") / "sound"
    write_sound_files(folder)
    return folder
