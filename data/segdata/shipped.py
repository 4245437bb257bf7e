"""The model that comes with edgeseg, the default of every command."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "shipped"

SHIPPED_MODEL = "unet-128"

SHIPPED_CHECKPOINT = _FOLDER / f"{SHIPPED_MODEL}.safetensors"
"""The weights: what seg-export starts from. Its activation ranges on Cityscapes val stand beside it."""

SHIPPED_ONNX = _FOLDER / f"{SHIPPED_MODEL}.fp16.onnx"
"""The same model as seg-run runs it; float16 halves the download and costs nothing on a CPU, which widens it."""
