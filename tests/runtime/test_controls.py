"""The controls of the live page, over real sockets; and a file that is played for viewers."""

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.images import decode_image
from helpers.live_preview import (
    COLOURS,
    GREEN,
    RED,
    WATCHDOG,
    Serve,
    Viewer,
    asked,
    colour_of,
    picture,
    port_of,
    segmented,
    until,
    write,
)
from helpers.seeing_runner import SkyAndPerson
from segdata.command_line.interrupt import Interrupts
from segrun.options import RunOptions
from segrun.pipeline.account import RunReport
from segrun.preview.sink import PreviewSink
from segrun.run import run

JSON = {"Content-Type": "application/json"}


def change(
    sink: PreviewSink, headers: dict[str, str] = JSON, path: str = "/controls", **what: object
) -> tuple[int, str]:
    return sent(port_of(sink), json.dumps(what).encode(), headers, path)


def sent(port: int, body: bytes, headers: dict[str, str] = JSON, path: str = "/controls") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WATCHDOG)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def shown(sink: PreviewSink) -> np.ndarray:
    return decode_image(asked(sink, "/frame.jpg")[1], cv2.IMREAD_COLOR_RGB).astype(int)


def near(pixel: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel - colour).max() < 12)


def test_the_picture_is_drawn_as_viewers_set_it_and_at_once(serve: Serve) -> None:
    sink = serve()
    write(sink, picture(RED))
    viewer = Viewer(sink)
    assert colour_of(viewer.jpeg()) == RED
    assert change(sink, alpha=1)[0] == 200
    viewer.jpeg()  # comes without another frame
    viewer.close()
    assert near(shown(sink)[10, 80], COLOURS[0])  # road above, sky, then person
    assert near(shown(sink)[90, 80], COLOURS[2])
    change(sink, hidden=["road"])
    assert near(shown(sink)[10, 80], RED)
    assert near(shown(sink)[90, 80], COLOURS[2])
    change(sink, view="side-by-side", hidden=[])
    assert shown(sink).shape[1] == 320
    change(sink, legend=True)
    assert shown(sink).shape[0] > 96


def test_the_state_is_the_same_for_all_viewers(serve: Serve) -> None:
    sink = serve()
    status, answer = change(sink, alpha=0.25, legend=True, outlines=True, hidden=["sky"], view="mask", paused=True)
    assert status == 200
    state = json.loads(asked(sink, "/controls")[1])
    assert state == json.loads(answer)
    wanted = {"alpha": 0.25, "legend": True, "outlines": True, "hidden": ["sky"], "view": "mask", "paused": True}
    assert {name: state[name] for name in wanted} == wanted
    assert state["views"] == ["overlay", "mask", "side-by-side"]
    assert not state["plays"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'{"alpha": 2}', b'{"alpha": NaN}', b'{"alpha": "1"}', b'{"paused": 1}'),
        *(
            b'{"view": "nothing"}',
            b'{"view": "confidence"}',
            b'{"hidden": ["train"]}',
            b'{"hidden": [1]}',
            b'{"token": 1}',
        ),
        *(b"\xff", b'{"alpha": ' + b"9" * 20_000 + b"}", b"[" * 10_000),
    ],
)
def test_what_is_no_change_is_refused_and_changes_nothing(body: bytes, serve: Serve) -> None:
    sink = serve()
    before = asked(sink, "/controls")[1]
    status, answer = sent(port_of(sink), body)
    assert status in (400, 413)
    assert answer.count("\n") <= 1
    assert asked(sink, "/controls")[1] == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {},
        {**JSON, "Origin": "http://evil.example"},
        {**JSON, "Origin": "null"},
        {**JSON, "Host": "evil.example"},
    ],
)
def test_a_page_of_the_web_cannot_change_anything(headers: dict[str, str], serve: Serve) -> None:
    sink = serve()
    assert change(sink, headers, paused=True)[0] == 403
    assert not sink.controls.paused


def test_the_pages_own_origin_may(serve: Serve) -> None:
    sink = serve()
    origin = f"http://127.0.0.1:{port_of(sink)}"
    assert change(sink, {**JSON, "Origin": origin, "Host": f"127.0.0.1:{port_of(sink)}"}, paused=True)[0] == 200


def test_changes_and_snapshots_need_the_token(serve: Serve) -> None:
    sink = serve(token="word")
    write(sink, picture(RED))
    assert change(sink, paused=True)[0] == 401
    assert asked(sink, "/snapshot.png")[0].status == 401
    assert change(sink, path="/controls?token=word", paused=True)[0] == 200
    assert asked(sink, "/snapshot.png?token=word")[0].status == 200


def test_a_pause_holds_the_picture_and_not_the_run(serve: Serve) -> None:
    sink = serve()
    write(sink, picture(RED))
    change(sink, paused=True)
    write(sink, picture(GREEN), 1)
    assert colour_of(asked(sink, "/frame.jpg")[1]) == RED
    assert json.loads(asked(sink, "/stats")[1])["frames"] == 2
    change(sink, paused=False)
    write(sink, picture(GREEN), 2)
    assert colour_of(asked(sink, "/frame.jpg")[1]) == GREEN


def test_a_snapshot_is_the_whole_picture_as_it_is_shown(serve: Serve) -> None:
    sink = serve()
    assert asked(sink, "/snapshot.png")[0].status == 503
    write(sink, picture(RED), 7)
    response, body = asked(sink, "/snapshot.png")
    assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''7.png"
    image = decode_image(body, cv2.IMREAD_COLOR_RGB)
    assert image.shape == (96, 160, 3)
    assert near(image[10, 80].astype(int), RED)


def test_how_sure_the_model_is_can_be_seen_where_it_says_so(serve: Serve) -> None:
    sink = serve()
    frame = replace(segmented(picture(RED)), confidence=np.full((8, 8), 255, np.uint8))
    sink.write(frame, None)
    assert "confidence" in json.loads(asked(sink, "/controls")[1])["views"]
    assert change(sink, view="confidence")[0] == 200
    assert near(shown(sink)[48, 80], (253, 231, 37))


class Played:
    """A file that a run plays, in a thread."""

    def __init__(self, video: Path, stays: bool, **options: object) -> None:
        self.report: RunReport | None = None
        self._interrupts = Interrupts()
        self._address: list[str] = []
        self._options = RunOptions(inputs=(str(video),), outputs=("none",), serve="127.0.0.1:0", **options)  # type: ignore[arg-type]
        self._stays = stays
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until(lambda: bool(self._address))
        self.port = int(self._address[0].rstrip("/").rpartition(":")[2])

    def _run(self) -> None:
        self.report = run(
            self._options,
            SkyAndPerson(),
            on_address=self._address.append,
            interrupts=self._interrupts,
            plays=True,
            stays=self._stays,
        )

    def state(self) -> dict[str, object]:
        both = {}
        for path in ("controls", "stats"):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=WATCHDOG) as answer:
                both.update(json.loads(answer.read()))
        return both

    def change(self, **what: object) -> None:
        assert sent(self.port, json.dumps(what).encode())[0] == 200

    def stop(self) -> None:
        self._interrupts.pass_on()
        self.join()

    def join(self) -> None:
        self._thread.join(WATCHDOG)
        assert not self._thread.is_alive()


@pytest.fixture
def player(street_video: Path) -> Iterator[Played]:
    played = Played(street_video, stays=True)
    yield played
    played.stop()
    assert played.report is not None
    assert played.report.frames_read == played.report.frames_shown


def test_a_file_waits_at_its_end_and_is_replayed(player: Played) -> None:
    until(lambda: bool(player.state()["ended"]))
    until(lambda: player.state()["frames"] == 12)  # the last frame is shown, too
    time.sleep(0.2)
    assert player.state()["frames"] == 12
    player.change(replay=True)
    until(lambda: player.state()["frames"] == 24)


def test_a_loop_goes_on_until_it_is_left(player: Played) -> None:
    player.change(loop=True)
    until(lambda: int(str(player.state()["frames"])) > 30)
    player.change(loop=False)
    until(lambda: bool(player.state()["ended"]))
    assert int(str(player.state()["frames"])) % 12 == 0


def test_a_paused_file_waits_and_a_replay_ends_the_pause(player: Played) -> None:
    player.change(paused=True)
    time.sleep(0.2)
    before = int(str(player.state()["frames"]))
    time.sleep(0.3)
    assert player.state()["frames"] == before
    player.change(replay=True)
    until(lambda: int(str(player.state()["frames"])) >= before + 12)
    assert not player.state()["paused"]


def test_one_of_several_files_is_played_once(street_video: Path) -> None:
    played = Played(street_video, stays=False)
    played.join()
    assert played.report is not None
    assert played.report.frames_shown == 12


def test_one_image_is_shown_and_stays(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((48, 64, 3), 90, np.uint8))
    played = Played(tmp_path / "photo.png", stays=True, smooth=3)
    until(lambda: played.state()["frames"] == 1)
    until(lambda: bool(played.state()["ended"]))
    played.stop()
