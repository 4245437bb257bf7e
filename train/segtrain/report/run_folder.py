"""A run's folder as a person reads it: config, curves, panels, confusion, IoU by class."""

import csv
from dataclasses import asdict
from pathlib import Path

import tomli_w
import torch

from segdata.dataset.dataset import Dataset
from segdata.files import replacing
from segdata.metrics import class_iou
from segdata.spec import ModelSpec
from segtrain.loop import Outcome
from segtrain.network.checkpoint import load_checkpoint
from segtrain.options import TrainOptions
from segtrain.report.panels import plot_panels, predict
from segtrain.report.plots import plot_confusion, plot_curves, plot_iou, save
from segtrain.report.run_page import write_run_page
from segtrain.setting import plain

PANELS = 6


def write_config(folder: Path, options: TrainOptions, spec: ModelSpec, epochs: int) -> None:
    """Write `config.toml`: every option as it was in the end, and the network; None stands as an absent key."""
    values = asdict(options) | {"epochs": epochs}
    written = {name: plain(value) for name, value in values.items() if value is not None}
    with replacing(folder / "config.toml") as temporary:
        temporary.write_text(tomli_w.dumps({"options": written, "network": dict(spec.options)}), encoding="utf-8")


def write_pictures(folder: Path, dataset: Dataset, outcome: Outcome) -> None:
    """Write the pictures, `run.html` and `iou.csv` of the best weights on val."""
    save(plot_curves(outcome.history), folder / "curves.png")
    save(plot_confusion(outcome.evaluation.matrix, outcome.spec), folder / "confusion.png", dpi=130)
    save(plot_iou(outcome.evaluation.matrix, outcome.spec), folder / "iou.png")
    val = dataset.split("val")
    few = val.subset(val.spread(PANELS))
    network, spec = load_checkpoint(outcome.best)
    save(plot_panels(few, predict(network, few, spec, torch.device("cpu")), spec), folder / "panels.png")
    write_run_page(folder, outcome.history, len(outcome.history), running=False)
    _write_iou(folder / "iou.csv", outcome)  # last: by it a recipe knows that a step is finished


def _write_iou(path: Path, outcome: Outcome) -> None:
    evaluation = outcome.evaluation
    columns = {"class": outcome.spec.class_names, "iou": class_iou(evaluation.matrix)}
    if evaluation.truth_matrix is not None:
        columns["iou_against_larger_truth"] = class_iou(evaluation.truth_matrix)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
