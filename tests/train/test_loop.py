"""Training: it learns, keeps its best, repeats itself, and says what is wrong."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segdata.dataset import Dataset
from segdata.errors import EdgeSegError, InputError
from segtrain.checkpoint import load_checkpoint
from segtrain.loop import EpochFigures, Progress, check_options, evaluate, train
from segtrain.options import TrainOptions

QUIET = Progress(lambda: None, lambda loss: None, lambda figures: None)


@pytest.fixture(scope="module")
def trained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainOptions, list[EpochFigures]]:
    options = options_for(dataset, tmp_path_factory.mktemp("run"))
    return options, train(options, dataset, QUIET)[1]


def options_for(dataset: Dataset, output: Path) -> TrainOptions:
    size = dataset.facts.height
    return TrainOptions(dataset.folder, output, size=size, width=8, depth=2, epochs=8, batch_size=8, learning_rate=1e-2)


def test_the_loss_falls_and_accuracy_beats_the_commonest_class(
    trained: tuple[TrainOptions, list[EpochFigures]], dataset: Dataset
) -> None:
    _, history = trained
    assert history[-1].train_loss < 0.8 * history[0].train_loss
    pixels = dataset.facts.splits["val"].class_pixels
    assert max(row.pixel_accuracy for row in history) > 1.1 * max(pixels) / sum(pixels)


def test_the_checkpoint_is_the_best_epoch_and_says_how_good(
    trained: tuple[TrainOptions, list[EpochFigures]], dataset: Dataset
) -> None:
    options, history = trained
    network, spec = load_checkpoint(options.output / "best.safetensors")
    best = max(history, key=lambda row: row.miou)
    assert spec.metrics is not None
    assert spec.metrics["miou"] == best.miou
    _, measured = evaluate(network, dataset.split("val"), spec, torch.device("cpu"))
    assert measured.miou == pytest.approx(best.miou, abs=2e-3)  # the weights were rounded to float16
    assert (spec.height, spec.width, spec.class_names) == (64, 64, dataset.facts.class_names)


def test_the_history_is_on_disk(trained: tuple[TrainOptions, list[EpochFigures]]) -> None:
    options, history = trained
    with (options.output / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["miou"]) for row in rows] == [figures.miou for figures in history]


def test_the_same_seed_gives_the_same_weights(dataset: Dataset, tmp_path: Path) -> None:
    weights = []
    for name in ("a", "b"):
        options = replace(options_for(dataset, tmp_path / name), epochs=1)
        weights.append(train(options, dataset, QUIET)[0].read_bytes())
    assert weights[0] == weights[1]


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_weights(dataset: Dataset, tmp_path: Path) -> None:
    good = replace(options_for(dataset, tmp_path), epochs=1)
    before = train(good, dataset, QUIET)[0].read_bytes()
    with pytest.raises(EdgeSegError, match=r"step \d+ of epoch 1; lower --learning-rate"):
        train(replace(good, learning_rate=1e30), dataset, QUIET)
    assert (tmp_path / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 128}, "--size 128 but"),
        ({"depth": 7}, "need a multiple of 128"),
        ({"batch_size": 1000}, "lower --batch-size"),
    ],
)
def test_options_that_do_not_fit_the_dataset_are_refused(
    dataset: Dataset, tmp_path: Path, change: dict[str, int], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        check_options(replace(options_for(dataset, tmp_path), **change), dataset)
    assert "\n" not in str(caught.value)
