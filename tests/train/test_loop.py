"""Training: it learns, keeps its best, repeats itself, and says what is wrong."""

import csv
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file

from helpers.labelled_files import photo, save
from helpers.progress import Told
from helpers.training_runs import Heard, tiny_options
from segdata.command_line.progress import SILENT
from segdata.dataset.dataset import Dataset, SplitArrays
from segdata.errors import EdgeSegError
from segdata.images.size import Size
from segdata.metrics import accuracy
from segdata.options import PrepareOptions, SynthOptions
from segdata.prepare.prepare import prepare
from segdata.synth.write import write_synthetic
from segtrain.evaluate import Evaluation, evaluate
from segtrain.frames.batches import batches, normalise
from segtrain.history import best_of
from segtrain.learning.balance import SHARES
from segtrain.loop import Outcome, train
from segtrain.network.checkpoint import load_checkpoint
from segtrain.options import TrainOptions
from segtrain.report.run_folder import write_pictures

Refused = Callable[..., AbstractContextManager[None]]

IGNORED = 255


def options_for(dataset: Dataset, output: Path, **changes: Any) -> TrainOptions:  # noqa: ANN401 - any option
    own = {"epochs": 10, "learning_rate": 2e-2, "augment": "none"}
    return tiny_options(dataset, output, **(own | changes))


class Changed(Dataset):
    """A dataset with other frames in some splits."""

    def __init__(self, dataset: Dataset, **splits: SplitArrays) -> None:
        super().__init__(dataset.folder)
        self._splits = splits

    def split(self, name: str) -> SplitArrays:
        return self._splits[name] if name in self._splits else super().split(name)


def measured(checkpoint: Path, split: SplitArrays) -> Evaluation:
    network, spec = load_checkpoint(checkpoint)
    return evaluate(Fabric(accelerator="cpu", devices=1), network, split, spec)


@pytest.fixture(scope="module")
def trained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The folder of a run of ten epochs, and what it left."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(options_for(dataset, folder), dataset, SILENT, Heard())


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of 6 training frames and 5 of val, prepared at 64, 128 and 256."""
    folder = tmp_path_factory.mktemp("sizes")
    write_synthetic(SynthOptions(target=folder / "pairs", train=6, val=5, size=Size(256, 256), seconds=0))
    wanted = (Size(64, 64), Size(128, 128), Size(256, 256))
    prepare(PrepareOptions(source=folder / "pairs", target=folder / "prepared", sizes=wanted))
    return folder / "prepared"


# What a run gives


def test_the_loss_falls_and_accuracy_beats_the_commonest_class(trained: tuple[Path, Outcome], dataset: Dataset) -> None:
    history = trained[1].history
    assert history[-1].train_loss < 0.7 * history[0].train_loss
    assert history[-1].val_loss < 0.7 * history[0].val_loss
    pixels = dataset.facts.splits["val"].class_pixels
    assert max(row.pixel_accuracy for row in history) > 1.1 * max(pixels) / sum(pixels)


def test_the_checkpoint_is_the_best_epoch_and_says_how_good(trained: tuple[Path, Outcome], dataset: Dataset) -> None:
    folder, outcome = trained
    spec = load_checkpoint(folder / "best.safetensors")[1]
    assert spec.metrics is not None
    assert spec.metrics["undone_balance"] in SHARES
    assert (spec.height, spec.width, spec.class_names) == (64, 64, dataset.facts.class_names)
    assert spec.options["width"] == 8
    assert outcome.best == folder / "best.safetensors"
    assert outcome.spec == spec
    found = measured(outcome.best, dataset.split("val"))
    figures = accuracy(found.matrix, spec.class_names)
    assert figures.miou == spec.metrics["miou"]
    assert figures.pixel_accuracy == spec.metrics["pixel_accuracy"]
    assert np.array_equal(outcome.evaluation.matrix, found.matrix)


def test_without_class_balance_they_are_those_of_the_best_epoch(dataset: Dataset, tmp_path: Path) -> None:
    """There is nothing to correct then, so the kept weights score as in their epoch."""
    outcome = train(options_for(dataset, tmp_path, epochs=3, class_balance=0.0), dataset, SILENT, Heard())
    best = max(outcome.history, key=lambda row: row.miou)
    figures = accuracy(outcome.evaluation.matrix, outcome.spec.class_names)
    # The weights were rounded to float16.
    assert figures.miou == pytest.approx(best.miou, abs=2e-3)
    assert figures.pixel_accuracy == pytest.approx(best.pixel_accuracy, abs=2e-3)
    assert outcome.evaluation.loss == pytest.approx(best.val_loss, rel=1e-2)


def test_the_weights_that_are_kept_are_the_averaged_ones(dataset: Dataset, tmp_path: Path) -> None:
    train(options_for(dataset, tmp_path, epochs=1, class_balance=0.0), dataset, SILENT, Heard())
    kept, state = load_file(tmp_path / "best.safetensors"), load_file(tmp_path / "last.safetensors")
    assert any(tensor.dtype == torch.float16 for tensor in kept.values())
    for name, tensor in kept.items():
        assert torch.equal(tensor, state[f"average.module.{name}"].to(tensor.dtype)), name
    assert not torch.equal(state["average.module.head.weight"], state["network.head.weight"])


def test_the_history_is_on_disk(trained: tuple[Path, Outcome]) -> None:
    folder, outcome = trained
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items()} for row in rows] == [
        asdict(figures) for figures in outcome.history
    ]
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 11)]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(dataset: Dataset, tmp_path: Path) -> None:
    weights = {}
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        options = options_for(dataset, tmp_path / name, epochs=1, augment="strong", seed=seed)
        weights[name] = train(options, dataset, SILENT, Heard()).best.read_bytes()
        torch.rand(7)  # what was drawn before must not matter
    assert weights["first"] == weights["again"]
    assert weights["first"] != weights["other"]


def test_patience_stops_so_many_epochs_after_the_best(dataset: Dataset, tmp_path: Path) -> None:
    options = options_for(dataset, tmp_path, epochs=60, patience=2, learning_rate=5e-2)
    history = train(options, dataset, SILENT, Heard()).history
    assert history[-1].epoch < 60
    waited = [row.epoch - best.epoch for row in history if (best := best_of(history[: row.epoch]))]
    assert waited[-1] == 2
    assert max(waited[:-1]) < 2


def test_a_warm_start_begins_where_the_other_training_ended(
    trained: tuple[Path, Outcome], dataset: Dataset, tmp_path: Path
) -> None:
    folder, outcome = trained
    options = options_for(dataset, tmp_path, epochs=1, learning_rate=1e-3, init=folder / "best.safetensors")
    warm = train(options, dataset, SILENT, Heard()).history[0]
    assert warm.train_loss < 0.8 * outcome.history[0].train_loss
    assert warm.miou > outcome.history[0].miou


def test_a_run_that_overfits_is_warned_of_once(dataset: Dataset, tmp_path: Path) -> None:
    train_split, val = (dataset.split(name) for name in ("train", "val"))
    few = Changed(dataset, train=train_split.subset(np.arange(4)), val=val.subset(np.arange(20)))
    heard = Heard()
    options = options_for(few, tmp_path, width=16, epochs=60, batch_size=1, class_balance=0.0, average=0.5)
    history = train(options, few, SILENT, heard).history
    lowest = min(history, key=lambda row: row.val_loss)
    assert history[-1].val_loss > 1.1 * lowest.val_loss, "the training did not overfit"
    assert len(heard.warnings) == 1
    assert re.match(r"overfitting: the loss on held-out frames was lowest in epoch \d+", heard.warnings[0])
    assert "\n" not in heard.warnings[0]


def test_no_overfitting_is_no_warning(dataset: Dataset, tmp_path: Path) -> None:
    heard = Heard()
    train(options_for(dataset, tmp_path, epochs=8), dataset, SILENT, heard)
    assert heard.warnings == []


def test_a_class_that_never_occurs_and_what_is_ignored_are_told(tmp_path: Path) -> None:
    """Masks of 0 and 255 have one class, so any network is right everywhere."""
    (tmp_path / "two.toml").write_text(
        """name = "two"
classes = [
  { name = "bg", colour = [0, 0, 0], ids = [0] },
  { name = "thing", colour = [128, 0, 0], ids = [1] },
]"""
    )
    mask = np.zeros((32, 32), np.uint8)
    mask[:8] = 255
    for index in range(8):
        save(tmp_path / f"source/images/{index}.png", photo(index, 32, 32))
        save(tmp_path / f"source/masks/{index}.png", mask)
    space, size = str(tmp_path / "two.toml"), (Size(32, 32),)
    (made,) = prepare(
        PrepareOptions(source=tmp_path / "source", target=tmp_path / "out", sizes=size, label_space=space)
    ).datasets
    heard = Heard()
    outcome = train(options_for(made, tmp_path / "run", epochs=2, batch_size=4), made, SILENT, heard)
    assert accuracy(outcome.evaluation.matrix, outcome.spec.class_names).miou == 1
    assert heard.warnings[:2] == [
        "train: no pixel is of thing, all are of bg: nothing to tell apart",
        "train: 25.0% of the pixels are ignored (255); if 255 is a class in the masks, give it that id",
    ]


# Evaluation


def test_the_figures_are_what_a_plain_computation_gives(trained: tuple[Path, Outcome], dataset: Dataset) -> None:
    split = dataset.split("val").subset(np.arange(27))  # more than one batch, and not all of the last
    network, spec = load_checkpoint(trained[0] / "best.safetensors")
    with torch.no_grad():
        frames = torch.from_numpy(split.images).permute(0, 3, 1, 2).float()
        probabilities = network(normalise(frames, spec)).softmax(dim=1).numpy()
    prediction = probabilities.argmax(axis=1)
    truth = split.labels
    ious = []
    for class_id in range(spec.class_count):
        is_true = truth == class_id
        is_predicted = (prediction == class_id) & (truth != IGNORED)
        if (is_true | is_predicted).any():
            ious.append((is_true & is_predicted).sum() / (is_true | is_predicted).sum())
    found = measured(trained[0] / "best.safetensors", split)
    assert accuracy(found.matrix, spec.class_names).miou == pytest.approx(np.mean(ious), abs=1e-4)
    known = truth != IGNORED
    assert accuracy(found.matrix, spec.class_names).pixel_accuracy == pytest.approx(
        (prediction == truth)[known].mean(), abs=1e-4
    )
    true_probability = np.take_along_axis(probabilities, np.where(known, truth, 0)[:, None], axis=1)[:, 0]
    assert found.loss == pytest.approx(-np.log(true_probability[known]).mean(), rel=1e-3)


@pytest.mark.parametrize("larger", [128, 256])
def test_val_is_scored_on_the_larger_truth_too(sizes: Path, tmp_path: Path, larger: int) -> None:
    """Either --truth names it, or it is the dataset `256` beside this one."""
    dataset, truth = Dataset(sizes / "64"), Dataset(sizes / str(larger))
    named = truth.folder if larger != 256 else None
    options = options_for(dataset, tmp_path, epochs=2, batch_size=4, truth=named)
    outcome = train(options, dataset, SILENT, Heard())
    evaluation = outcome.evaluation
    assert evaluation.truth_matrix is not None
    write_pictures(tmp_path, dataset, outcome)
    assert (tmp_path / "iou.csv").read_text().splitlines()[0] == "class,iou,iou_against_larger_truth"
    for found, of in ((evaluation.matrix, dataset), (evaluation.truth_matrix, truth)):
        assert tuple(found.sum(axis=1)) == of.facts.splits["val"].class_pixels
    assert evaluation.truth_matrix.sum() > 3 * evaluation.matrix.sum()


def test_a_dataset_without_a_larger_sibling_has_one_truth(trained: tuple[Path, Outcome]) -> None:
    assert trained[1].evaluation.truth_matrix is None


def test_the_truth_of_other_frames_is_refused(sizes: Path, dataset: Dataset, tmp_path: Path, refused: Refused) -> None:
    with refused("not the val frames and classes of"):
        train(options_for(dataset, tmp_path / "run", truth=sizes / "128"), dataset, SILENT, Heard())
    assert not (tmp_path / "run").exists()


# The time there is


def test_more_minutes_are_more_epochs(dataset: Dataset, tmp_path: Path) -> None:
    def end() -> None:
        raise KeyboardInterrupt  # an hour is long

    progress, heard = Told(on_advance=end), Heard()
    for minutes in (1, 60):
        with pytest.raises(KeyboardInterrupt):
            train(options_for(dataset, tmp_path, minutes=minutes), dataset, progress, heard)
    few, many = heard.planned_epochs
    assert 1 <= few < many / 5
    assert progress.totals == [5 * few, 5 * many]


def test_a_run_of_minutes_ends_after_the_epochs_it_announced(dataset: Dataset, tmp_path: Path) -> None:
    heard = Heard()
    history = train(options_for(dataset, tmp_path, minutes=0.1), dataset, SILENT, heard).history
    planned = heard.planned_epochs
    assert len(planned) == len(history) == planned[-1]  # planned again before each, and kept
    assert history[-1].learning_rate < 0.1 * history[0].learning_rate or len(history) < 5  # the schedule fits it


# What stops a run


def test_a_loss_that_is_no_number_says_where_and_what_to_do(dataset: Dataset, tmp_path: Path, refused: Refused) -> None:
    pattern = r"the loss became (nan|inf) in step (\d+) of epoch (\d+), on the frames (.+?); (.+)"
    with pytest.raises(EdgeSegError) as caught:
        train(options_for(dataset, tmp_path, learning_rate=1e30), dataset, SILENT, Heard())
    told = re.fullmatch(pattern, str(caught.value))
    assert told is not None, caught.value
    step, epoch = int(told[2]) - 1, int(told[3]) - 1
    names = dataset.split("train").names
    batch = next(indices for number, indices in zip(count(), batches(40, 8, 0, epoch), strict=False) if number == step)
    assert told[4].split(", ") == [names[index] for index in batch]
    assert "nothing was kept: begin again with a lower --learning-rate" in told[5]
    assert not (tmp_path / "last.safetensors").exists()


def test_weights_broken_by_the_last_step_of_an_epoch_are_not_kept(
    dataset: Dataset, tmp_path: Path, refused: Refused
) -> None:
    """With one step an epoch, the step's own loss is good, and no later step could notice."""
    with refused("the loss on val became nan after epoch 1; .*lower --learning-rate", EdgeSegError):
        train(options_for(dataset, tmp_path, batch_size=40, learning_rate=1e30), dataset, SILENT, Heard())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": Size(128, 128)}, "got --size 128 but .* holds 64x64 frames"),
        ({"depth": 7}, "got 64x64 frames, need height and width divisible by 256"),
        ({"batch_size": 1000}, "got batches of 1000 but 40 training frames; lower --batch-size"),
        ({"batch_size": 7, "devices": 2}, "got batches of 7 for 2 processes"),
        ({"batch_size": 40, "epochs": 1}, "got one step in 1 epoch"),
        ({"minutes": 1e-6}, "got 1e-06 minutes, need about .* for one epoch here; raise --minutes"),
    ],
)
def test_options_that_do_not_fit_the_dataset_are_refused(
    dataset: Dataset, tmp_path: Path, refused: Refused, changes: dict[str, Any], words: str
) -> None:
    with refused(words):
        train(options_for(dataset, tmp_path / "run", **changes), dataset, SILENT, Heard())
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_is_refused(
    trained: tuple[Path, Outcome], dataset: Dataset, refused: Refused
) -> None:
    folder = trained[0]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with refused("holds a run; go on with it by --resume, or name another folder with -o"):
        train(options_for(dataset, folder), dataset, SILENT, Heard())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_val_without_a_labelled_pixel_is_refused(dataset: Dataset, tmp_path: Path, refused: Refused) -> None:
    val = dataset.split("val").subset(np.arange(4))
    unknown = replace(val, labels=np.full_like(val.labels, IGNORED))
    with refused("val has no labelled pixel", EdgeSegError):
        train(options_for(dataset, tmp_path, epochs=1), Changed(dataset, val=unknown), SILENT, Heard())
