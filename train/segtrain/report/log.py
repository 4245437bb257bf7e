"""A run where teams look: TensorBoard or MLflow, through Lightning's loggers."""

import logging
import os
from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segdata.files import on_disk
from segtrain.history import EpochFigures
from segtrain.options import LogName

PICTURES = ("curves", "panels", "confusion", "iou")
FILES = ("config.toml", "metrics.csv", "iou.csv", "best.safetensors", "last.safetensors")


class RunLog(ABC):
    """Tells one run, whose own files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, figures: EpochFigures) -> None:
        """Tell one epoch."""
        values = {name: float(value) for name, value in asdict(figures).items() if name != "epoch"}
        with on_disk(self._folder):
            self._logger.log_metrics(values, step=figures.epoch)

    def finish(self) -> None:
        """Tell what is in the folder now that the run is over: its pictures, and what else the log has room for."""
        with on_disk(self._folder):
            self._take_files()
            self._logger.finalize("success")

    def give_up(self) -> None:
        """Tell that the run ended early."""
        self._logger.finalize("failed")

    _logger: Any
    """A logger of Lightning."""

    @abstractmethod
    def _take_files(self) -> None:
        """Tell the files of the run."""


class TensorBoardLog(RunLog):
    """Writes into FOLDER/tensorboard: figures, pictures, and the config as text; the weights are beside it."""

    def __init__(self, folder: Path) -> None:
        """Open the log; raise ImportError without TensorBoard."""
        import tensorboard  # noqa: F401 - Lightning's own error names no extra of ours
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        super().__init__(folder)
        with on_disk(folder / "tensorboard"):
            self._logger = TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False)
            config = (folder / "config.toml").read_text(encoding="utf-8")
            self._logger.experiment.add_text("config", "".join(f"    {line}\n" for line in config.splitlines()))

    def _take_files(self) -> None:
        import numpy as np
        from PIL import Image

        for name in PICTURES:
            with Image.open(self._folder / f"{name}.png") as picture:
                self._logger.experiment.add_image(name, np.asarray(picture.convert("RGB")), dataformats="HWC")


class MLflowLog(RunLog):
    """Tells the server at MLFLOW_TRACKING_URI, or a database in FOLDER/mlflow: options, figures and all files."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        """Open a run of the experiment edgeseg, named as the folder; raise ImportError without MLflow."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no command says that it was used
        from pytorch_lightning.loggers import MLFlowLogger

        for name in ("mlflow", "alembic", "pytorch_lightning"):
            logging.getLogger(name).setLevel(logging.WARNING)
        super().__init__(folder)
        address, files = os.environ.get("MLFLOW_TRACKING_URI"), None
        if address is None:
            own = folder.absolute() / "mlflow"
            with on_disk(own):
                own.mkdir(exist_ok=True)
            address, files = f"sqlite:///{own / 'mlflow.db'}", own.as_uri()
        self._logger = MLFlowLogger("edgeseg", folder.name, address, artifact_location=files)
        self._logger.log_hyperparams(options)

    def _take_files(self) -> None:
        for name in (*FILES, *(f"{picture}.png" for picture in PICTURES)):
            if (self._folder / name).is_file():
                self._logger.experiment.log_artifact(self._logger.run_id, str(self._folder / name))


def open_log(name: LogName, folder: Path, options: dict[str, Any]) -> RunLog:
    """Return the log of this name for a run with these `options`, which has written its config.toml into `folder`."""
    return TensorBoardLog(folder) if name == "tensorboard" else MLflowLog(folder, options)
