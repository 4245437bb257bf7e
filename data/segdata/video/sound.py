"""The sound of a source: its packets as they came, shared by all writers."""

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

if TYPE_CHECKING:
    AnyPacket = Packet[Any]  # generic in PyAV's types, not at run time
else:
    AnyPacket = Packet

AudioPolicy = Literal["copy", "encode", "none"]
"""What to do with sound: copy it or leave it out; copy it or, if that is impossible, encode it again; leave it out."""

SoundStream = AudioStream
"""The stream that audio packets belong to; a writer copies its parameters."""

GAP = Fraction(1, 50)
"""Seconds of silence, or of overlap, allowed between two packets that follow each other."""

_ANY = "mpegts"  # a muxer that accepts every codec, as long as nothing is written


@dataclass(frozen=True)
class AudioPacket:
    """One packet of compressed sound, heard at `pts * time_base` seconds.

    All outputs share it, so it must not be changed: each writes a copy.
    """

    packet: AnyPacket
    pts: int
    time_base: Fraction

    @property
    def seconds(self) -> Fraction:
        """When it is heard."""
        return self.pts * self.time_base

    @property
    def length(self) -> Fraction:
        """For how many seconds it is heard; 0 if the source does not say."""
        return (self.packet.duration or 0) * self.time_base

    def __bytes__(self) -> bytes:
        return bytes(self.packet)

    def copied(self, shift: Fraction = Fraction(0)) -> AnyPacket:
        """Return a copy of the packet, heard `shift` seconds earlier, with its side data."""
        copy = cast("AnyPacket", Packet(bytes(self.packet)))
        copy.pts = copy.dts = self.pts - round(shift / self.time_base)
        copy.duration, copy.time_base = self.packet.duration, self.time_base
        copy.is_keyframe = self.packet.is_keyframe
        for data in self.packet.iter_sidedata():
            copy.set_sidedata(data)
        return copy


class SoundTrack(Protocol):
    """Brings a source's sound into a container."""

    def write(self, packet: AudioPacket, shift: Fraction) -> None:
        """Take one packet, to be heard `shift` seconds earlier than it says."""

    def finish(self) -> None:
        """Write what is still waiting."""


def without_tag(sound: SoundStream) -> AudioStream:
    """Return a stream with the parameters of `sound` and a decoder of its own, but not its container's tag for it."""
    return av.open(io.BytesIO(), "w", format=_ANY).add_stream_from_template(sound)


def silence(like: AudioFrame, samples: int) -> AudioFrame:
    """Return `samples` samples of silence of the format, the channels and the rate of `like`."""
    frame = AudioFrame(like.format.name, like.layout.name, samples)
    frame.sample_rate = like.sample_rate
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame
