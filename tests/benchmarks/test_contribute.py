"""seg-bench contribute: from start to one file, on a simulated card and on this processor, without private names."""

import re
import runpy
import shutil
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter

import segbench.bench
import segbench.contribute.contribute as contribute_module
import segbench.contribute.engines as engines_module
import segbench.measure.contender
import segbench.preflight.preflight
from helpers.commands import run_command
from helpers.engine_files import write_engine
from helpers.sample_reports import made_report, made_result
from helpers.simulated_device import Simulation
from helpers.simulated_tensorrt import libraries_of, onnx_program
from segbench.contribute.contribute import contribute, where_to_send
from segbench.contribute.pack import Pack
from segbench.contribute.privacy import Privacy, private_here
from segbench.contribute.take_in import take_in
from segbench.options import BenchOptions, ContributeOptions
from segbench.preflight.gpu import Gpu
from segbench.results import BenchReport
from segdata.command_line.progress import Progress
from segdata.errors import EdgeSegError, IncompleteError, InputError, MissingDependencyError
from segdata.shipped import shipped_onnx
from segexport.graph.onnx_file import read_onnx
from segrun.options import RunnerName
from segrun.runners.base import Runner
from segrun.runners.onnxruntime import OnnxRuntimeRunner
from segrun.runners.tensorrt.library import TensorRT
from segrun.runners.tensorrt.manifest import Flavour, read_manifest
from segrun.runners.tensorrt.runner import TensorRTRunner

if TYPE_CHECKING:
    from conftest import Refused

ROOT = Path(__file__).parents[2]
ALICE = Privacy(frozenset({"/home/alice", "/data/My Project"}), frozenset({"alice"}), frozenset({"wonderland"}))
PICTURE = re.compile(r"[\w/+-]{1000,}=*")  # any three letters are in one, sooner or later
GTX = Gpu("Simulated GTX 1660 Ti", "7.5", "580.65, CUDA 13.0 through pycuda")


@dataclass
class Machine:
    """A machine with a simulated card, whose engines compute what their ONNX files do. `fails` names what does not."""

    flavours: tuple[Flavour, ...] = ("tensorrt", "tensorrt-rtx")
    fails: tuple[str, ...] = ()
    why: str = ""
    simulation: Simulation = field(default_factory=Simulation)

    def put(self, monkeypatch: pytest.MonkeyPatch) -> "Machine":
        """Make preflight and contribute see this machine."""
        for module in (segbench.preflight.preflight, contribute_module, engines_module, segbench.measure.contender):
            for name, part in (
                ("find_gpu", lambda: GTX),
                ("load_tensorrt", self.load),
                ("models_by_precision", lambda path, folder: {}),
                ("build", self.build),
                ("open_runner", self.open),
            ):
                monkeypatch.setattr(module, name, part, raising=False)
        return self

    def load(self, flavour: Flavour) -> TensorRT:
        if flavour not in self.flavours:
            raise MissingDependencyError(f"{flavour} cannot be imported{self.why}")
        return libraries_of(self.simulation, onnx_program, flavour).tensorrt

    def build(self, library: TensorRT, model: Path, capability: str, on_progress: Callable[[], None]) -> Path:
        engine = model.with_suffix(f".sm{capability.replace('.', '')}.engine")
        engine.with_name(f"{engine.name}.log").write_text(f"[ERROR] cannot read /home/alice/.cache/{model.name}\n")
        if model.name in self.fails:
            raise EdgeSegError(f"/home/alice/{model.name}: TensorRT cannot build it")
        contract = read_onnx(model).contract
        entries = {"precision": contract.precision, "flavour": library.flavour, "weights": contract.weights}
        return write_engine(engine, contract.spec, model.read_bytes(), onnx=model.name, **entries)

    def open(self, path: Path, runner: RunnerName = "auto", *, throughput: bool = False) -> Runner:
        if path.suffix != ".engine":
            return OnnxRuntimeRunner(path)
        flavour = read_manifest(path).flavour
        return TensorRTRunner(path, libraries=libraries_of(self.simulation, onnx_program, flavour))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, street_video: Path, unweighed: None) -> None:
    """The standard table is of one model, as it ships, on a short video and a few scenes."""
    monkeypatch.setattr(contribute_module, "artefacts_of", lambda *_, **__: list(shipped_onnx(64)))
    monkeypatch.setattr(contribute_module, "SHIPPED_SIZES", (64,))
    monkeypatch.setattr(contribute_module, "SCENES", 6)
    monkeypatch.setattr(segbench.bench, "_make_video", lambda folder: street_video)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, small: None) -> Machine:
    return Machine().put(monkeypatch)


def options(path: Path, **values: bool) -> ContributeOptions:
    return ContributeOptions(output=path, rounds=1, frames=2, **values)


def members(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def report_of(path: Path) -> BenchReport:
    return TypeAdapter(BenchReport).validate_json(members(path)["report.json"])


def test_every_engine_of_both_flavours_is_in_the_file(machine: Machine, tmp_path: Path) -> None:
    made = contribute(options(tmp_path / "figures.zip"), privacy=ALICE)
    inside = members(made.path)
    report = report_of(made.path)
    assert report == made.report
    assert [(result.runner, result.artefact) for result in report.results] == [
        ("TensorRT", "unet-64.fp16.sm75.engine"),
        ("TensorRT", "unet-64.int8.sm75.engine"),
        ("TensorRT-RTX", "unet-64.rtx.fp16.sm75.engine"),
        ("TensorRT-RTX", "unet-64.rtx.int8.sm75.engine"),
    ]
    for result in report.results:
        assert result.device == "Simulated GTX 1660 Ti"
        assert result.accuracy is not None
        assert f"logs/{result.artefact}.log" in inside
        assert f"{result.artefact}: built by tensorrt" in inside["contribute.log"]
    assert report.dataset == "5 evaluation frames of synthetic-scenes"
    assert "Simulated GTX 1660 Ti, compute capability 7.5" in inside["preflight.txt"]
    assert inside["report.md"].startswith("# Benchmark: Simulated GTX 1660 Ti, ")
    assert inside["report.html"].lower().startswith("<!doctype html>")
    machine.simulation.check_clean()


def test_an_engine_that_fails_is_left_out_and_the_others_are_measured(machine: Machine, tmp_path: Path) -> None:
    machine.flavours = ("tensorrt",)
    machine.fails = ("unet-64.int8.onnx",)
    made = contribute(options(tmp_path / "figures.zip"), privacy=ALICE)
    assert [result.artefact for result in made.report.results] == ["unet-64.fp16.sm75.engine"]
    inside = members(made.path)
    line = "unet-64.int8 is left out, tensorrt: .../unet-64.int8.onnx: TensorRT cannot build it"
    assert line in made.report.warnings
    assert line in inside["contribute.log"]
    assert "Traceback" in inside["contribute.log"]
    assert "logs/unet-64.int8.sm75.engine.log" in inside


def test_what_was_found_before_measuring_failed_is_in_the_file(machine: Machine, tmp_path: Path) -> None:
    machine.fails = ("unet-64.fp16.onnx", "unet-64.int8.onnx", "unet-64.rtx.fp16.onnx", "unet-64.rtx.int8.onnx")
    path = tmp_path / "figures.zip"
    with pytest.raises(
        IncompleteError, match=r"^measuring failed \(no engine was built that runs\); .*please send it anyway"
    ):
        contribute(options(path), privacy=ALICE)
    assert set(members(path)) == {
        "preflight.txt",
        "contribute.log",
        *(f"logs/{name.removesuffix('.onnx')}.sm75.engine.log" for name in machine.fails),
    }


def test_a_bug_is_sent_with_its_traceback(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> BenchReport:
        raise ZeroDivisionError("in /home/alice/src/x.py on wonderland")

    monkeypatch.setattr(contribute_module, "bench", broken)
    path = tmp_path / "figures.zip"
    with pytest.raises(IncompleteError, match="measuring failed"):
        contribute(options(path), privacy=ALICE)
    log = members(path)["contribute.log"]
    assert "ZeroDivisionError: in .../x.py on <host>" in log
    assert 'File "segbench/' in log or 'File ".../contribute.py"' in log


def test_nobodys_name_and_no_folder_is_in_the_file(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors and logs of libraries contain names and folders; they are removed."""
    secret = "/home/alice/src and '/data/My Project/x.onnx' of Alice on wonderland.example"
    real = segbench.bench.bench

    def told(asked: BenchOptions, artefacts: Sequence[Path], progress: Progress) -> BenchReport:
        found = real(asked, artefacts, progress)
        verdict = replace(found.verdict, sentences=(secret,))
        system = replace(found.machine, system="Linux 6.1-alice", governor=secret)
        return replace(found, warnings=(secret,), video=secret, dataset=secret, verdict=verdict, machine=system)

    monkeypatch.setattr(contribute_module, "bench", told)
    machine.flavours, machine.fails = ("tensorrt",), ("unet-64.int8.onnx",)
    machine.why = f" (/home/alice/{'deep/' * 30}wonderland.so, from /home/bob/{'far/' * 30}x.so)"  # the table breaks it
    made = contribute(options(tmp_path / "figures.zip"), privacy=ALICE)
    inside = members(made.path)
    assert len(inside) == 7
    for name, text in inside.items():
        told_of = PICTURE.sub("", text)
        for word in ("alice", "wonderland", "My Project", "/home", "/data", "bob", "deep", "far/"):
            assert word.lower() not in told_of.lower(), f"{word} in {name}"
    assert made.report.warnings[-1] == (".../src and '.../x.onnx' of <user> on <host>.example")
    assert all(result.device == "Simulated GTX 1660 Ti" for result in made.report.results)


def test_a_machine_without_a_gpu_is_told_of_the_other_way(
    tmp_path: Path, refused: "Refused", monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> Gpu:
        raise MissingDependencyError("CUDA finds no GPU (no driver); check nvidia-smi")

    monkeypatch.setattr(contribute_module, "find_gpu", none)
    path = tmp_path / "figures.zip"
    said = "^no GPU to measure; --cpu measures the processor instead: CUDA finds no GPU"
    with refused(said, MissingDependencyError):
        contribute(options(path))
    assert not list(tmp_path.iterdir())


def test_a_gpu_without_tensorrt_is_refused_with_what_to_install(
    tmp_path: Path, refused: "Refused", monkeypatch: pytest.MonkeyPatch
) -> None:
    Machine(flavours=()).put(monkeypatch)
    with refused("^tensorrt cannot be imported; tensorrt-rtx cannot be imported$", MissingDependencyError):
        contribute(options(tmp_path / "figures.zip"))


def test_engines_need_the_export_extra_which_is_said_before_anything_is_measured(
    tmp_path: Path, untimed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Machine().put(monkeypatch)
    monkeypatch.delitem(sys.modules, "segexport.graph.onnx_file")
    monkeypatch.setitem(sys.modules, "onnx", None)
    done = run_command("seg-bench", "contribute", "-o", tmp_path / "figures.zip")
    assert (done.returncode, done.stderr) == (5, "Error: onnx is not installed; run: pip install 'edgeseg[export]'\n")


def test_another_name_is_refused_and_a_folder_that_cannot_be_written_before_anything_is_measured(
    tmp_path: Path, refused: "Refused", untimed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Machine().put(monkeypatch)
    with refused(r"^got .*figures.txt, need a name like figures.zip$"):
        contribute(options(tmp_path / "figures.txt"))
    (tmp_path / "file").touch()
    with refused("cannot write .*figures.zip"):
        contribute(options(tmp_path / "file" / "figures.zip"))


def test_the_processor_is_measured_with_cpu(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it real: this processor, its user and its folders; only the preflight builds no engines."""

    def nothing(flavour: Flavour) -> TensorRT:
        raise MissingDependencyError(f"{flavour} is not looked for")

    monkeypatch.setattr(segbench.preflight.preflight, "load_tensorrt", nothing)
    path = tmp_path / "figures.zip"
    done = run_command("seg-bench", "contribute", "--cpu", "--rounds", 1, "--frames", 2, "-o", path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        str(path),
        f"Look into it if you like, then attach it to an issue: {where_to_send()}",
    ]
    report = report_of(path)
    assert {result.runner for result in report.results} == {"OpenVINO"}
    inside = members(path)
    assert set(inside) == {"report.json", "report.md", "report.html", "preflight.txt", "contribute.log"}
    for folder in (Path.home(), Path.cwd(), tmp_path):
        assert not any(f"{folder}/" in text for text in inside.values())


def test_the_form_is_there() -> None:
    name = where_to_send().partition("template=")[2]
    assert (Path(__file__).parents[2] / ".github" / "ISSUE_TEMPLATE" / name).is_file()


def test_a_file_that_was_sent_becomes_rows_of_the_tables(machine: Machine, tmp_path: Path) -> None:
    sent = contribute(options(tmp_path / "figures.zip"), privacy=ALICE)
    results = tmp_path / "benchmarks" / "results"
    shutil.copytree(ROOT / "benchmarks" / "results", results)
    shutil.copyfile(ROOT / "README.md", tmp_path / "README.md")
    for _ in range(2):  # the same file twice changes nothing
        runpy.run_path(str(ROOT / "benchmarks" / "update_readme.py"))["main"]([sent.path], tmp_path)
    name = "simulated-gtx-1660-ti"
    assert sorted(path.name for path in results.glob(f"{name}*")) == [
        f"{name}.{suffix}" for suffix in ("html", "json", "md", "preflight.txt")
    ]
    assert f"| [{name}]({name}.md) ([page]({name}.html), [JSON]({name}.json))" in (results / "README.md").read_text()
    readme = (tmp_path / "README.md").read_text()
    assert "run `seg-bench contribute` on one" not in readme  # one was measured
    rows = [re.split(r" *\| *", line)[1:4] for line in readme.splitlines() if "Simulated" in line]
    assert rows == [[GTX.name, "TensorRT", "unet-64"], [GTX.name, "TensorRT-RTX", "unet-64"]]


def test_another_report_of_the_same_card_stands_beside_the_first(tmp_path: Path) -> None:
    paths = []
    for second in ("56", "57"):
        pack = Pack(ALICE)
        pack.add_clean(
            "report.json", made_report(created=f"2026-07-01T12:34:{second}Z", results=(made_result(),)).to_json()
        )
        pack.add("preflight.txt", "all is well")
        pack.write(tmp_path / "figures.zip")
        paths.append(take_in(tmp_path / "figures.zip", tmp_path / "results").name)
    assert paths == ["amd-epyc-9b45-2-cores.json", "amd-epyc-9b45-2-cores-2.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"preflight.txt": ""}, "no report.json in it"),
        ({"report.json": "{}"}, "report.json: edgeseg: Field required"),
        ({"report.json": "no JSON"}, "report.json: not JSON"),
        (None, "cannot be read .*; need a file that seg-bench contribute wrote"),
    ],
)
def test_another_file_is_not_taken_in(
    tmp_path: Path, refused: "Refused", content: dict[str, str] | None, said: str
) -> None:
    path = tmp_path / "figures.zip"
    if content is None:
        path.write_bytes(b"PK\x03\x04 no archive")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in content.items():
                archive.writestr(name, text)
    with refused(said, InputError):
        take_in(path, tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("cannot read /home/alice/x.onnx", "cannot read .../x.onnx"),
        ("cannot read /home/alice", "cannot read ~"),
        ("/home/alice2/x", ".../x"),
        (r"C:\Users\Bob\AppData\x.dll is locked", ".../x.dll is locked"),
        (r"'C:\\Users\\Bob\\x.dll'", "'.../x.dll'"),
        ("/data/My Project/clips/a.mp4: no such file", ".../a.mp4: no such file"),
        ("LD_LIBRARY_PATH=/opt/acme/lib:/usr/lib/nvidia", "LD_LIBRARY_PATH=.../lib:/usr/lib/nvidia"),
        ("/usr/lib/x86_64-linux-gnu/libcuda.so.1", "/usr/lib/x86_64-linux-gnu/libcuda.so.1"),
        (
            'File "/mnt/x/venv/lib/python3.12/site-packages/segbench/bench.py", line 5',
            'File "segbench/bench.py", line 5',
        ),
        ('File "/mnt/conda/lib/python3.12/threading.py", line 5', 'File "python3.12/threading.py", line 5'),
        ("ALICE, alice_1 and alice@wonderland", "<user>, <user>_1 and <user>@<host>"),
        ("malice, alices", "malice, alices"),
        ("https://docs.nvidia.com/cuda/index.html", "https://docs.nvidia.com/cuda/index.html"),
        ("12 frames/s, int8/f32, +-3 %", "12 frames/s, int8/f32, +-3 %"),
    ],
)
def test_paths_lose_their_folders_and_names_go(text: str, clean: str) -> None:
    assert ALICE.clean(text) == clean


def test_this_machine_and_its_user_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/Jane Doe")
    monkeypatch.setenv("USER", "jdoe")
    monkeypatch.setattr("platform.node", lambda: "rabbit-hole.example.org")
    monkeypatch.chdir(tmp_path)
    here = private_here()
    text = f"/home/Jane Doe/a/b.txt {tmp_path}/secret/c.txt jdoe rabbit-hole rabbit-hole.example.org"
    assert here.clean(text) == ".../b.txt .../c.txt <user> <host> <host>"


def test_names_that_are_everybodys_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Jetson's user is called nvidia, which must not remove the card's name."""
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "nvidia")
    monkeypatch.setenv("HOME", "/home/nvidia")
    monkeypatch.setattr("platform.node", lambda: "ubuntu")
    monkeypatch.setattr("socket.gethostname", lambda: "ubuntu")
    assert (
        private_here().clean("NVIDIA GeForce on Ubuntu in /home/nvidia/x.py") == "NVIDIA GeForce on Ubuntu in .../x.py"
    )
