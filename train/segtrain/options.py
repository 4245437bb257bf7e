"""What `seg-train` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class TrainOptions:
    """The options of one training run. `size` is the height and width in pixels, and must be the dataset's."""

    dataset: Path
    output: Path = Path("runs/unet")
    size: int = 128
    width: int = 16
    depth: int = 4
    epochs: int = 50
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 5e-2
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    seed: int = 0
