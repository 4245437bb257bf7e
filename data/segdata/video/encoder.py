"""The H.264 encoders: libx264 on any machine, NVENC on an NVIDIA card, or whichever is there."""

from typing import Literal

Encoder = Literal["auto", "libx264", "h264_nvenc"]
