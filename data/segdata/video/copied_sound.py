"""Copies sound into a file if FFmpeg says that the file can hold it."""

import io
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container.output import OutputContainer

from segdata.video.sound import GAP, AnyPacket, AudioPacket, SoundStream, silence, without_tag

UNTIMED_SOUND = {"avi"}
"""Formats whose sound has no gaps from the beginning of the file, whatever its packets say."""

_MOST_TICKS = (
    2**31 - 1
)  # the longest that a packet may last, in units of its track: in MP4, FFmpeg aborts the process at more
_WITH_HEADERS = {"mpegts"}  # muxers that need AAC as in broadcasts, with a header in each packet
_BLOCKS_NOT_KEPT = {"ac3", "mp3"}  # codecs for which AVI's reader says a size of blocks that its writer must not have
_LEAD = 4  # packets until an encoder has settled


class Copied:
    """Copies packets as they are. In formats that give sound no times, gaps are filled with silence."""

    def __init__(self, container: OutputContainer, sound: SoundStream, first: AudioPacket | None) -> None:
        """Add a track to `container`; raise ValueError or av.FFmpegError if it cannot hold one."""
        self._container, self._sound = container, sound
        self._stream = _track(container, sound)
        self._filter = None
        if _has_headers(sound, first) and container.format.name not in _WITH_HEADERS:
            self._filter = BitStreamFilterContext("aac_adtstoasc", in_stream=sound)
            if first:  # what the headers say belongs into the file's own header
                [without] = BitStreamFilterContext("aac_adtstoasc", in_stream=sound).filter(first.copied())
                self._stream.codec_context.extradata = bytes(without.get_sidedata("new_extradata"))
        self._gapless = container.format.name in UNTIMED_SOUND
        self._end = self._missing = Fraction(0)
        self._ticks = -1
        self._last: AudioPacket | None = None

    def write(self, packet: AudioPacket, shift: Fraction) -> None:
        """Write a packet; raise av.FFmpegError or ValueError if the container does not take it.

        Where more time has passed than one packet could last, the last one is repeated.
        """
        begins = packet.seconds - shift
        if self._gapless:
            if begins < -GAP:
                return
            self._fill(begins, packet)
        elif self._last is not None:
            limit = longest_packet(packet.time_base)
            while begins - self._end > limit:
                self._end += limit
                self._mux(self._last.copied(self._last.seconds - self._end))
        copy = packet.copied(shift)
        for ready in self._filter.filter(copy) if self._filter else [copy]:
            ready.time_base = packet.time_base
            self._mux(ready)
        self._last, self._end = packet, begins + (packet.length if self._gapless else 0)

    def _fill(self, begins: Fraction, packet: AudioPacket) -> None:
        """Write silence until `begins`: in whole packets; the rest is made up for in the next gap."""
        gap = begins - self._end
        if gap <= GAP or not packet.length:
            return
        silent = _silent(self._sound, packet)
        count = round((gap + self._missing) / packet.length)
        for number in range(count):
            self._mux(silent.copied(silent.seconds - self._end - number * packet.length))
        self._missing += gap - count * packet.length

    def _mux(self, packet: AnyPacket) -> None:
        packet.stream = self._stream
        if self._gapless:  # its unit may be as long as a packet
            self._container.start_encoding()
            unit = Fraction(self._stream.time_base or 1)
            self._ticks = max(round((packet.dts or 0) * packet.time_base / unit), self._ticks + 1)
            packet.duration = round((packet.duration or 0) * packet.time_base / unit)
            packet.pts, packet.dts, packet.time_base = self._ticks, self._ticks, unit
        self._container.mux(packet)

    def finish(self) -> None:
        """Do nothing: each packet was written when it came."""


def reason_not_copied(
    format: str, options: Mapping[str, str], sound: SoundStream, packets: Sequence[AudioPacket]
) -> str | None:
    """Return why a container of FFmpeg's `format`, with these options, cannot hold `sound`; None if it can.

    It is tried with FFmpeg: `packets`, the first of the sound, are written to memory and read again.
    """
    if sound.codec_context is None:
        return "FFmpeg here does not know its codec"
    codec = _family(sound)
    content = io.BytesIO()
    try:
        with av.open(content, "w", format=format, container_options=dict(options)) as trial:
            track = Copied(trial, sound, packets[0] if packets else None)
            trial.start_encoding()
            for packet in packets:
                track.write(packet, packets[0].seconds)
        if not packets:
            return None
        content.seek(0)
        with av.open(content, "r") as written:
            found = written.streams.best("audio")
            kept = isinstance(found, AudioStream) and _family(found) == codec
            kept = kept and any(packet.size for packet in written.demux(found))
    except (av.FFmpegError, ValueError, OSError):
        kept = False
    return None if kept else f"{format} cannot hold {sound.codec_context.codec.canonical_name}"


def longest_packet(time_base: Fraction) -> Fraction:
    """Return for how many seconds one packet can be shown or heard in a track of that unit, in any container."""
    return Fraction(_MOST_TICKS // max(time_base.denominator, 20_000))  # MP4 makes coarser units finer


def _family(sound: SoundStream) -> str:
    """Return the name of a codec; MPEG audio of any layer has one, as each packet says which it is."""
    name = sound.codec_context.codec.canonical_name if sound.codec_context else "unknown"
    return "mpeg audio" if name in {"mp1", "mp2", "mp3"} else name


def _track(container: OutputContainer, sound: SoundStream) -> AudioStream:
    """Add a track with the parameters of `sound`."""
    codec, context = sound.codec_context.codec.canonical_name, sound.codec_context
    if container.format.name in UNTIMED_SOUND and codec in _BLOCKS_NOT_KEPT:
        rate, layout, bits = context.sample_rate, context.layout.name, context.bit_rate or 0
        return cast("AudioStream", container.add_stream(codec, rate=rate, layout=layout, bit_rate=bits))
    try:
        return container.add_stream_from_template(sound)
    except ValueError:
        # PyAV has a list without some codecs that Matroska can hold. Writing shows whether it works.
        stream = cast("AudioStream", container.add_mux_stream("pcm_s16le", rate=sound.codec_context.sample_rate))
        BitStreamFilterContext("null", in_stream=without_tag(sound), out_stream=stream)
        stream.time_base = sound.time_base
        return stream


def _has_headers(sound: SoundStream, first: AudioPacket | None) -> bool:
    """Return whether each packet of AAC has a header, as in MPEG-TS, which most containers do not take."""
    if sound.codec_context.codec.canonical_name != "aac" or sound.codec_context.extradata:
        return False
    return first is None or int.from_bytes(bytes(first)[:2]) & 0xFFF6 == 0xFFF0


def _silent(sound: SoundStream, like: AudioPacket) -> AudioPacket:
    """Return a packet of silence in the codec of `sound` where FFmpeg can make one; else `like`, to repeat."""
    context = sound.codec_context
    try:
        encoder = cast("AudioCodecContext", av.CodecContext.create(context.codec.canonical_name, "w"))
        encoder.sample_rate, encoder.layout = context.sample_rate, context.layout
        encoder.format = (encoder.codec.audio_formats or [])[0]
        encoder.bit_rate = context.bit_rate or encoder.bit_rate
        encoder.time_base = Fraction(1, context.sample_rate)
        samples = round(like.length * context.sample_rate)
        frame = AudioFrame(encoder.format.name, encoder.layout.name, samples)
        frame.sample_rate = context.sample_rate
        packet = [packet for _ in range(_LEAD) for packet in encoder.encode(silence(frame, samples))][-1]
    except (av.FFmpegError, ValueError, IndexError):
        return like
    packet.pts = packet.dts = like.pts
    packet.duration, packet.time_base = like.packet.duration, like.time_base
    return AudioPacket(packet, like.pts, like.time_base)
