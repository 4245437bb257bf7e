"""The helper that starts processes for tests: they receive Ctrl-C, and none outlives its test."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.children import child

DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
HEARS = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"


def test_a_child_that_does_not_end_is_killed() -> None:
    with child([sys.executable, "-c", DEAF], limit=0.2, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
    assert process.returncode == -signal.SIGKILL


def test_a_child_of_a_test_that_fails_is_killed() -> None:
    with (
        pytest.raises(ZeroDivisionError),
        child([sys.executable, "-c", DEAF], limit=600, stdout=subprocess.PIPE) as process,
    ):
        raise ZeroDivisionError
    assert process.returncode == -signal.SIGKILL


def test_children_hear_ctrl_c_where_the_shell_ignores_it(tmp_path: Path) -> None:
    """As in `make test &`, where the shell makes the tests ignore SIGINT."""
    test = "import subprocess, sys\n\ndef test_it():\n    " + (
        f"assert subprocess.check_output([sys.executable, '-c', {HEARS!r}]).strip() == b'True'\n"
    )
    (tmp_path / "test_deaf.py").write_text(test)
    (tmp_path / "conftest.py").write_bytes((Path(__file__).parent / "conftest.py").read_bytes())
    line = (
        f"trap '' INT; exec '{sys.executable}' -m pytest -q -p no:cacheprovider -c /dev/null --rootdir . test_deaf.py"
    )
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
