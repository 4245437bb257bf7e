"""Which GPU, or all of them: `--device`, on two simulated cards."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import segrun.runners.tensorrt.driver
from helpers.engine_files import toy_spec, write_engine
from helpers.receipts import receipts_of
from helpers.simulated_device import Simulation
from helpers.small_media import every, write_numbered
from helpers.toy_engine import HEIGHT, WIDTH, toy_libraries
from segdata.errors import ContractError
from segrun.cli import main as seg_run
from segrun.runners.open import open_runner
from segrun.runners.tensorrt.runner import TensorRTRunner

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> list[Simulation]:
    """Two cards; each engine that is opened runs on the simulation of its number."""
    simulations = [Simulation(0), Simulation(1)]
    for number, simulation in enumerate(simulations):
        simulation.number = number

    def opened(path: Path, *, gpu: int = 0, **_: Any) -> TensorRTRunner:  # noqa: ANN401 - as `Runner.opened`
        return TensorRTRunner(path, libraries=toy_libraries(simulations[min(gpu, 1)]), gpu=gpu)

    monkeypatch.setattr(TensorRTRunner, "opened", opened)
    monkeypatch.setattr(segrun.runners.tensorrt.driver, "load_driver", lambda: simulations[0].driver)
    return simulations


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return write_engine(tmp_path / "toy.sm75.engine", toy_spec(HEIGHT, WIDTH))


@pytest.fixture
def clips(tmp_path: Path) -> list[str]:
    names = []
    (tmp_path / "clips").mkdir()
    for name in "abcd":
        write_numbered(tmp_path / "clips" / f"{name}.mp4", every(6))
        names.append(str(tmp_path / "clips" / f"{name}.mp4"))
    return names


def invoke(*words: object) -> Result:
    return CliRunner().invoke(seg_run, list(map(str, words)))


@pytest.mark.parametrize("number", [0, 1])
def test_a_gpu_is_taken_by_its_number(number: int, cards: list[Simulation], engine: Path, clips: list[str]) -> None:
    done = invoke(clips[0], "--model", engine, "--device", number, "-o", "none")
    assert done.exit_code == 0, done.output
    assert "6 frames read = 6 shown" in done.stdout
    assert [bool(card.calls) for card in cards] == [number == 0, number == 1]
    for card in cards:
        card.check_clean()


def test_all_gpus_share_the_videos(cards: list[Simulation], engine: Path, clips: list[str], tmp_path: Path) -> None:
    done = invoke(*clips, "--model", engine, "--device", "all", "-o", tmp_path / "{name}.jsonl")
    assert done.exit_code == 0, done.output
    assert all(len((tmp_path / f"{name}.jsonl").read_text().splitlines()) == 6 for name in "abcd")
    assert all(card.calls for card in cards)
    for card in cards:
        card.check_clean()


def test_a_list_of_videos_is_shared_too(
    cards: list[Simulation], engine: Path, clips: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("--from", "clips", "--model", engine, "--device", "all", "-o", "out/{path}.jsonl")
    done = invoke(*words)
    assert done.exit_code == 0, done.output
    receipts = receipts_of(tmp_path / "receipts")
    assert [receipt["state"] for receipt in receipts] == ["done"] * 4
    assert all(card.calls for card in cards)
    again = invoke(*words)
    assert "4" in again.stdout.split()
    assert again.exit_code == 0
    for card in cards:
        card.check_clean()


def test_an_engine_for_another_card_is_refused_by_name(cards: list[Simulation], engine: Path, refused: Refused) -> None:
    cards[1].compute_capability = (8, 6)
    with refused(r"built for Simulated GTX 1660 Ti \(compute capability 7.5\), but here is .* \(8.6\)", ContractError):
        open_runner(engine, device="1")


def test_what_no_device_can_do_is_one_line(cards: list[Simulation], engine: Path, refused: Refused) -> None:
    with refused("got GPU 2, and CUDA finds 2; they are numbered from 0"):
        open_runner(engine, device="2")
    with refused("an engine runs on a GPU; name an .onnx, or leave out the device"):
        open_runner(engine, device="cpu")
    with refused("got device 0, and unet-64 runs on the CPU; build an engine of it with seg-export"):
        open_runner(Path("unet-64"), device="0")
    with refused("got device cuda, need auto, cpu or the number of a GPU"):
        open_runner(engine, device="cuda")


def test_the_cpu_can_be_asked_for() -> None:
    with open_runner(Path("unet-64.fp16"), arithmetic="f32", device="cpu") as runner:
        assert runner.name == "OpenVINO"
