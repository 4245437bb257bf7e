"""Opens what holds a video (a file, an address, a pipe), and says what is known of it before a frame is read."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from segdata.errors import InputError
from segdata.text import without_passwords

MICROSECONDS = 1_000_000
"""The unit of a container's times, FFmpeg's AV_TIME_BASE: how many are a second."""

LARGEST_PICTURE = 8192 * 4352
"""How many pixels a frame may have: those of 8K video. FFmpeg would allocate 2 GB for one frame of a broken file."""

TIMED_OUT = "nothing came in time"
"""What `reason` says where FFmpeg waited for as long as it was allowed to."""

# Files and pipes may not lead elsewhere: formats that list other files and addresses are for addresses only.
_LISTS = {"concat", "dash", "hls", "image2", "imf", "rtsp", "sdp", "vobsub", "webm_dash_manifest"}
_ONE_FILE = {"format_whitelist": ",".join(sorted(av.formats_available - _LISTS)), "protocol_whitelist": "file"}

_PLAYLISTS = {"hls", "dash"}
_BROADCAST = {"aac", "flv", "h264", "hevc", "mjpeg", "mp3", "mpeg", "mpegts", "mpegvideo", "mpjpeg", "ogg"}
"""Formats that cameras and broadcasts send; from a server that gives no size they are endless."""

# What they are called in a result, and in a source: by FFmpeg, by some cameras and by iPhones, the best first.
_RECORDED = {
    "creation_time": ("creation_time", "com.apple.quicktime.creationdate"),
    "location": ("location", "location-eng", "com.apple.quicktime.location.iso6709"),
}


def open_video(
    video: Path | str | BinaryIO, name: str, timeout: float | None, format: str | None, options: Mapping[str, str]
) -> tuple[InputContainer, VideoStream]:
    """Open a video and return the container and its best stream of pictures.

    `timeout` is how many seconds opening, and each read, may take; `format` and `options` are FFmpeg's. Raises
    InputError, with `name`, if it cannot be read, has no video to decode, or its pictures are too large.
    """
    try:
        # Absolute: FFmpeg takes what stands before a colon, as in 12:30.mp4, for the kind of an address.
        opened = str(video.absolute()) if isinstance(video, Path) else video
        allowed = {} if isinstance(video, str) else _ONE_FILE
        container = av.open(opened, "r", format=format, options={**allowed, **options}, timeout=timeout)
    except av.ProtocolNotFoundError:
        raise InputError(f"{name}: FFmpeg here reads no such addresses; try rtsp:// or http://") from None
    except (av.FFmpegError, ValueError, OSError) as error:
        why = "no video comes from there" if isinstance(video, str) else "not a video FFmpeg can read"
        way = "; a list of videos is given as seg-run --from LIST" if name.endswith(".txt") else ""
        raise InputError(f"{name}: {why} ({reason(error)}); need one{way}") from None
    stream = container.streams.best("video")
    if container.format.name == "tty":  # FFmpeg would draw the letters
        problem = "text, need a video; a list of videos is given as seg-run --from LIST"
    elif isinstance(stream, VideoStream):
        if (found := _problem(stream)) is None:
            stream.codec_context.options = {"max_pixels": str(LARGEST_PICTURE)}  # the size may change on the way
            return container, stream
        problem = found
    else:
        kinds = ", ".join(sorted({other.type for other in container.streams})) or "no streams"
        problem = f"has {kinds} but no video; need a file with a video stream"
    container.close()
    raise InputError(f"{name}: {problem}")


def _problem(stream: VideoStream) -> str | None:
    """Return why a stream cannot be read; None if it can."""
    context = stream.codec_context
    if context is None:
        return "its video is in no format FFmpeg here can decode; need another"
    if stream.disposition & Disposition.attached_pic:  # FFmpeg takes one of these last
        return "has a cover picture but no video; need a file with a video stream"
    if context.width * context.height > LARGEST_PICTURE:
        return f"says {context.width}x{context.height} pixels, need {LARGEST_PICTURE} or less"
    return None


def has_no_end(container: InputContainer, address: str) -> bool:
    """Return whether an address that declares no duration is a camera or a broadcast, and not a file."""
    if not address.lower().startswith("http"):
        return True
    kinds = set(container.format.name.split(","))
    return bool(kinds & _PLAYLISTS) or (container.size <= 0 and bool(kinds & _BROADCAST))


def expected_frames(container: InputContainer, stream: VideoStream, rate: Fraction) -> int | None:
    """Return how many frames a video declares, or its duration implies; None if neither is there."""
    if stream.frames:
        return stream.frames
    return round(container.duration * rate / MICROSECONDS) if container.duration else None


def recorded(*said: Mapping[str, str]) -> Mapping[str, str]:
    """Return when and where a video was recorded, where it says so: `creation_time` (ISO 8601), `location` (ISO 6709).

    `said` is the metadata of a container and of its streams, the first before the others; Matroska writes names in
    capitals.
    """
    facts: dict[str, str] = {}
    for metadata in said:
        lowered = {name.lower(): text for name, text in metadata.items()}
        for fact, names in _RECORDED.items():
            found = next((lowered[name] for name in names if lowered.get(name)), None)
            if found:
                facts.setdefault(fact, found)
    return facts


def is_pixel_format(name: str) -> bool:
    """Return whether FFmpeg has pixels laid out as `name` says."""
    try:
        return bool(av.VideoFormat(name).components)
    except ValueError:
        return False


def reason(error: Exception) -> str:
    """Return what FFmpeg says of an error, without its numbers."""
    if isinstance(error, av.ExitError):
        return TIMED_OUT
    return without_passwords(str(getattr(error, "strerror", None) or error))
