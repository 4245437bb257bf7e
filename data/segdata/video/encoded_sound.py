"""Re-encodes sound for files that cannot hold it as it is, and says which sound is copied and which re-encoded."""

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.output import OutputContainer

from segdata.video.container import reason
from segdata.video.copied_sound import Copied, reason_not_copied
from segdata.video.sound import GAP, AudioPacket, AudioPolicy, SoundStream, SoundTrack, silence, without_tag

_ENCODERS = ("aac", "mp3", "pcm_s16le")  # in order of preference
_SILENCE = 8192  # samples that are encoded at once


def sound_track(
    container: OutputContainer, sound: SoundStream, policy: AudioPolicy, first: Sequence[AudioPacket]
) -> tuple[SoundTrack | None, str | None]:
    """Return the track that takes the sound, whose `first` packets are tried; None, and why, if none can."""
    why_not = reason_not_copied(container.format.name, container.container_options, sound, first)
    if why_not is None:
        return Copied(container, sound, first[0] if first else None), None
    if policy == "encode":
        try:
            return Encoded(container, sound), None
        except (av.FFmpegError, ValueError) as error:
            why_not = f"{why_not}, and it cannot be encoded again ({reason(error)})"
    return None, why_not


class Encoded:
    """Decodes packets and encodes them again, without gaps: where the source has none there is silence."""

    def __init__(self, container: OutputContainer, sound: SoundStream) -> None:
        """Add a track to `container`; raise ValueError or av.FFmpegError if no codec that it holds is here."""
        self._container = container
        self._parameters = without_tag(sound)
        self._stream = _encoded_track(container, sound)
        self._position: int | None = None  # where the sound so far ends, in samples

    def write(self, packet: AudioPacket, shift: Fraction) -> None:
        """Decode and encode a packet; what cannot be decoded is left out.

        Raises av.FFmpegError or ValueError if the container does not take it.
        """
        try:
            frames = self._parameters.codec_context.decode(packet.copied(shift))
        except av.FFmpegError:
            return
        for frame in frames:
            begins = None if frame.pts is None else round(frame.pts * packet.time_base * frame.sample_rate)
            if self._position is None:
                self._position = min(begins or 0, 0)
            gap = 0 if begins is None else begins - self._position
            if gap > GAP * frame.sample_rate:
                for start in range(0, gap, _SILENCE):
                    self._encode(silence(frame, min(_SILENCE, gap - start)))
            if gap > -frame.samples // 2:  # otherwise most of it was heard already
                self._encode(frame)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))

    def _encode(self, frame: AudioFrame) -> None:
        assert self._position is not None
        frame.pts, frame.time_base = self._position, Fraction(1, frame.sample_rate)
        self._position += frame.samples
        self._container.mux(self._stream.encode(frame))


def _encoded_track(container: OutputContainer, sound: SoundStream) -> AudioStream:
    """Add an encoded track with the rate and the channels of `sound` if its encoder has them."""
    codec = next((name for name in _ENCODERS if name in container.supported_codecs), None)
    if codec is None:
        raise ValueError(f"{container.format.name} holds none of {', '.join(_ENCODERS)}")
    rates = av.Codec(codec, "w").audio_rates
    context = sound.codec_context
    rate = context.sample_rate if not rates or context.sample_rate in rates else max(rates)
    layout = context.layout.name if context.layout.nb_channels <= 2 else "stereo"
    return cast("AudioStream", container.add_stream(codec, rate=rate, layout=layout, time_base=Fraction(1, rate)))
