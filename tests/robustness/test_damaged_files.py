"""Damaged files of every kind: the result is right, or there is one line of error; never a traceback, hang or crash."""

import os
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest

from helpers.campaign import Case, campaign
from helpers.damage import damaged, damaged_json
from helpers.kinds import KINDS

FILES = 10  # of each kind; each night, campaign.py takes hundreds, with another seed
SEED = 1

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="measures memory by /proc")  # noqa: PTH112


@pytest.fixture(scope="module")
def cases(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Case]]:
    """The outcome of the files, by kind."""
    found: dict[str, list[Case]] = defaultdict(list)
    wanted = [(kind, index) for kind in KINDS for index in range(FILES)]
    for case in campaign(sound, tmp_path_factory.mktemp("damaged"), SEED, wanted):
        found[case.kind].append(case)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_right_or_refused_in_one_line(kind: str, cases: dict[str, list[Case]]) -> None:
    assert len(cases[kind]) == FILES
    assert cases[kind][0].outcome == "right", "the sound file"
    failed = [case for case in cases[kind] if case.outcome == "failed"]
    assert not failed, "\n".join(f"{case.kind} {case.index}: {case.said}" for case in failed)


def test_most_damage_is_noticed(cases: dict[str, list[Case]]) -> None:
    refused = sum(case.outcome == "refused" for kind in cases for case in cases[kind])
    assert refused > FILES * len(KINDS) // 3


@pytest.fixture
def broken_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for worker.py: it reads the first file, and ends itself or hangs at the second."""
    script = tmp_path / "worker.py"
    monkeypatch.setattr("helpers.campaign.__file__", str(tmp_path / "campaign.py"))
    monkeypatch.setattr("helpers.campaign.PATIENCE", 3.0)
    return script


@pytest.mark.parametrize(
    ("ending", "said"),
    [("os.abort()", "ended by SIGABRT"), ("time.sleep(60)", "no end after 3 s"), ("exit(3)", "by 3")],
)
def test_a_crash_and_a_hang_are_told_and_the_next_file_has_its_turn(
    broken_worker: Path, tmp_path: Path, ending: str, said: str
) -> None:
    broken_worker.write_text(
        "import json, os, sys, time\n"
        "for kind, index in json.loads(sys.argv[4]):\n"
        "    print('start', flush=True)\n"
        f"    if index == 1: {ending}\n"
        "    print(json.dumps({'outcome': 'right', 'said': ''}), flush=True)\n"
    )
    found = list(campaign(tmp_path, tmp_path, 0, [("mp4", index) for index in range(3)]))
    assert [case.outcome for case in found] == ["right", "failed", "right"]
    assert said in found[1].said


def test_the_same_seed_does_the_same_damage() -> None:
    data = bytes(range(256)) * 20
    assert damaged(data, Random("a")) == damaged(data, Random("a"))
    assert len({damaged(data, Random(seed)) for seed in range(50)}) > 40
    text = '{"a": [1, 2, {"b": "c"}]}'
    assert len({damaged_json(text, Random(seed)) for seed in range(50)}) > 25
