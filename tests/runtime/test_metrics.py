"""The metrics of a run for Prometheus: its own frame counts, in the text format, protected by the token."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers.scraped import scrape, values
from helpers.seeing_runner import SkyAndPerson
from segrun.cli import main as seg_run
from segrun.counters import Counters
from segrun.options import RunOptions
from segrun.preview.metrics import FollowedSink, MetricsSink, RunMetrics
from segrun.run import run
from segrun.sinks.json import JsonSink


def test_a_scrape_is_the_runs_own_account(street_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read after the last frame, before the server is closed."""
    scraped: list[dict[str, float]] = []
    addresses: list[str] = []
    finish = JsonSink.finish

    def look_first(self: JsonSink) -> None:
        scraped.append(scrape(addresses[0]))
        finish(self)

    monkeypatch.setattr(JsonSink, "finish", look_first)
    outputs = (str(tmp_path / "facts.jsonl"),)
    options = RunOptions(inputs=(str(street_video),), outputs=outputs, metrics="127.0.0.1:0")
    report = run(options, SkyAndPerson(), on_address=addresses.append)
    (found,) = scraped
    assert addresses[0].endswith("/metrics")
    assert found["edgeseg_frames_read_total"] == report.frames_read == 12
    assert found["edgeseg_frames_shown_total"] == report.frames_shown
    assert found["edgeseg_frames_dropped_total"] == report.frames_dropped == 0
    assert found["edgeseg_corrupt_packets_total"] == found["edgeseg_reconnects_total"] == 0
    for stage in ("decode", "shrink", "network", "write"):
        seconds = found[f"edgeseg_stage_seconds_total{{stage={stage}}}"]
        assert 0 < seconds <= report.stage_seconds[stage]
    assert found["edgeseg_queue_length{stage=network}"] == found["edgeseg_queue_length{stage=sinks}"] == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(addresses[0], timeout=5)  # it went with the run


def test_every_counter_is_told() -> None:
    told = RunMetrics()
    assert values(told.text())["edgeseg_frames_read_total"] == 0  # before there is a run
    told.follow(lambda: Counters(9, 6, 3, 2, 1, {"decode": 0.5}, {"network": 4}))
    assert values(told.text()) == {
        "edgeseg_frames_read_total": 9,
        "edgeseg_frames_shown_total": 6,
        "edgeseg_frames_dropped_total": 3,
        "edgeseg_corrupt_packets_total": 2,
        "edgeseg_reconnects_total": 1,
        "edgeseg_stage_seconds_total{stage=decode}": 0.5,
        "edgeseg_queue_length{stage=network}": 4,
    }


def test_each_of_several_is_there_before_its_first_frame() -> None:
    told = RunMetrics()
    FollowedSink(told, "a")
    FollowedSink(told, "b").follow(lambda: Counters(3, 2, 1))
    found = values(told.text())
    assert found["edgeseg_frames_read_total{input=a}"] == 0
    assert found["edgeseg_frames_read_total{input=b}"] == 3
    assert "edgeseg_frames_read_total" not in found  # which would be a series of its own


def test_the_token_guards_them_and_nothing_else_is_there() -> None:
    sink = MetricsSink("127.0.0.1:0", "secret")
    try:
        bare = sink.address.partition("?")[0]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(bare, timeout=20)
        assert scrape(sink.address)["edgeseg_frames_read_total"] == 0
        bearer = urllib.request.Request(bare, headers={"Authorization": "Bearer secret"})
        assert urllib.request.urlopen(bearer, timeout=20).status == 200
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(sink.address.replace("/metrics", "/"), timeout=20)
    finally:
        sink.discard()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metrics", "nowhere"], "got 'nowhere' to serve at, need HOST:PORT"),
        (["--metrics", "0.0.0.0:0"], "other machines can reach 0.0.0.0: add --token WORD"),
        (["--metrics", "127.0.0.1:0", "--token", "two words"], "the token is empty or has characters other than"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    words: list[str], said: str, street_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = ["--model", "unet-64.fp16", "--arithmetic", "f32"]
    done = CliRunner().invoke(seg_run, [str(street_video), *model, "-o", "none", *words])
    assert said in done.stderr.splitlines()[-1]
    assert done.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_the_page_has_them_too(street_video: Path) -> None:
    seen: list[dict[str, float]] = []

    def look(address: str) -> None:
        seen.append(scrape(f"{address}metrics"))
        assert json.loads(urllib.request.urlopen(f"{address}stats", timeout=20).read())["frames"] == 0

    run(RunOptions(inputs=(str(street_video),), serve="127.0.0.1:0"), SkyAndPerson(), on_address=look)
    assert seen[0]["edgeseg_frames_shown_total"] == 0
