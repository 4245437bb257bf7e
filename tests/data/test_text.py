"""Passwords: edgeseg shows no address with one in it."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.text import one_line, short, without_password, without_passwords

anything = st.text(st.characters(codec="utf-8"), min_size=1)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1)  # what a line shows as it is


@given(st.sampled_from(["rtsp", "http", "RTSPS", "rtmp"]), anything, anything)
def test_no_user_and_no_password_is_left(scheme: str, user: str, password: str) -> None:
    address = f"{scheme}://{user}:{password}@camera:554/street"
    assert without_password(address) == f"{scheme}://camera:554/street"


@given(anything, anything)
def test_encoded_ones_are_left_out_too(user: str, password: str) -> None:
    address = f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@camera/street"
    assert without_password(address) == "rtsp://camera/street"


@given(words, words)
def test_nor_in_a_message_with_addresses(user: str, password: str) -> None:
    message = f"[rtsp @ 0x1] cannot open 'rtsp://{user}:{password}@camera/street' now"
    expected = "[rtsp @ 0x1] cannot open 'rtsp://camera/street' now"
    assert without_passwords(message) == expected
    assert one_line(message) == short(message) == expected


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:p@ss@cam", "rtsp://cam"),
        ("rtsp://admin:p/s?s#@cam/live", "rtsp://cam/live"),
        ("rtsp://cam/live@1", "rtsp://cam/live@1"),
        ("rtsp://cam:554/live", "rtsp://cam:554/live"),
        ("http://[fe80::1]:80/x", "http://[fe80::1]:80/x"),
        ("udp://@239.0.0.1:1234", "udp://239.0.0.1:1234"),
        ("http://cam/video?user=me&password=a/b#c&size=2", "http://cam/video?user=me&password=***&size=2"),
        ("http://cam/video?Token=abc", "http://cam/video?Token=***"),
        ("rtsp://cam/user=admin_password=abc_channel=1", "rtsp://cam/user=admin_password=***"),
        ("srt://cam:1?passphrase=abc", "srt://cam:1?passphrase=***"),
        ("http://cam:80/?password=a@b/c", "http://***"),
        ("rtsp://admin:p?pass=a@cam", "rtsp://***"),
        ("street.mp4", "street.mp4"),
    ],
)
def test_what_is_left_says_which_camera(address: str, shown: str) -> None:
    assert without_password(address) == shown
