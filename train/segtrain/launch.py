"""Starts the processes of a run, in the number format and by the threads that are fastest here."""

from collections.abc import Callable

import torch
from lightning_fabric import Fabric

from segtrain.frames.batches import batches, load, normalise
from segtrain.learning.cpu_speed import PROBE_FRAMES, fastest_on_cpu
from segtrain.learning.precision import check_half_precision, choose_precision
from segtrain.network.base import Network
from segtrain.options import PrecisionChoice
from segtrain.setting import device_of, devices_of
from segtrain.trainer import Lesson


def launch(lesson: Lesson, network: Network, warned: Callable[[str], None]) -> tuple[Fabric, PrecisionChoice]:
    """Return a Fabric, launched, and its number format: one process, several here, or one that torchrun started."""
    options = lesson.options
    device = device_of(options)
    devices = devices_of(options) or (torch.cuda.device_count() if device.type == "cuda" else 1)
    several = devices * options.nodes > 1
    precision: PrecisionChoice = choose_precision(options.precision, device)
    if precision == "16-mixed":
        frames, labels = _first_batch(lesson, options.batch_size, device)
        if not check_half_precision(options.precision, network, lesson.objective, frames, labels):
            precision = "32-true"
    if device.type == "cpu" and not several:
        precision = _settle_on_cpu(lesson, network, warned)
    assert precision != "auto"
    fabric = Fabric(
        accelerator=device.type,
        devices=devices,
        num_nodes=options.nodes,
        strategy="ddp" if several else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric, precision


def _first_batch(lesson: Lesson, count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return normalised frames and their labels, as the first step has them."""
    split = lesson.dataset.split("train")
    frames, labels = load(split, next(batches(len(split), count, lesson.options.seed, 0)), device)
    return normalise(frames, lesson.spec), labels


def _settle_on_cpu(lesson: Lesson, network: Network, warned: Callable[[str], None]) -> PrecisionChoice:
    """Give PyTorch the threads to train by, and return the number format; both are measured unless they were given."""
    options = lesson.options
    count = min(len(lesson.dataset.split("train")), options.batch_size, PROBE_FRAMES)
    frames, labels = _first_batch(lesson, count, torch.device("cpu"))
    way = fastest_on_cpu(network, lesson.objective, frames, labels, options.precision, options.threads)
    if options.threads is None and way.threads < torch.get_num_threads():
        warned(
            f"one thread is faster than {torch.get_num_threads()} now, since the cores are busy, and is what trains; "
            "--threads says otherwise"
        )
    torch.set_num_threads(way.threads)
    return way.precision
