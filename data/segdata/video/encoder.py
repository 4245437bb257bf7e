"""What encodes H.264: libx264 on any machine, an NVIDIA card, or whichever is there."""

from typing import Literal

Encoder = Literal["auto", "libx264", "h264_nvenc"]
