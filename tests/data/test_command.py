"""What every command promises: one line for what the user can fix, with an exit code, and no swallowed bug."""

import errno
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from helpers.children import child
from segdata.command_line.command import Command, Group
from segdata.errors import (
    ContractError,
    EdgeSegError,
    InputError,
    MissingDependencyError,
    VerificationError,
)

ERRORS = [InputError, ContractError, MissingDependencyError, VerificationError]


def run(action: Callable[[], object], *arguments: str) -> Result:
    """Invoke a command that does `action`."""

    @click.command(cls=Command)
    def command() -> None:
        action()

    return CliRunner().invoke(command, list(arguments))


def raising(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


def test_a_command_that_works_says_nothing_of_its_own() -> None:
    done = run(lambda: click.echo("done"))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_one_line_on_stderr_with_its_exit_code(kind: type[EdgeSegError]) -> None:
    done = run(raising(kind("model.onnx: holds\nno spec;  export it again")))
    assert done.stderr == "Error: model.onnx: holds no spec; export it again\n"
    assert done.stdout == ""
    assert done.exit_code == kind.exit_code


def test_each_kind_of_error_has_an_exit_code_of_its_own() -> None:
    """Other than Python's 1 for a bug and click's 2 for wrong usage."""
    assert [kind.exit_code for kind in ERRORS] == [3, 4, 5, 6]


def test_debug_raises_the_error_itself() -> None:
    error = InputError("no such file")
    assert run(raising(error), "--debug").exception is error


def test_a_bug_is_not_dressed_up_as_an_error_of_the_user() -> None:
    bug = ValueError("a bug")
    done = run(raising(bug))
    assert done.exception is bug
    assert "Error:" not in done.stderr


@pytest.mark.parametrize(
    ("module", "extra", "distribution"),
    [
        ("torch", "train", "torch"),
        ("lightning_fabric", "train", "lightning-fabric"),
        ("matplotlib", "report", "matplotlib"),
        ("safetensors", "train", "safetensors"),
        ("tensorboard", "tensorboard", "tensorboard"),
        ("pytorch_lightning", "mlflow", "pytorch-lightning"),
        ("onnx", "export", "onnx"),
        ("onnxruntime", "export", "onnxruntime"),
        ("onnxscript", "export", "onnxscript"),
        ("tensorrt_rtx", "rtx", "tensorrt-rtx"),
        ("tensorrt", "tensorrt", "tensorrt"),
        ("pycuda", "gpu", "pycuda"),
    ],
)
def test_a_library_that_is_not_installed_names_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, module: str, extra: str, distribution: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # Python then imports it as if it were not there
    done = run(lambda: __import__(module))
    assert re.fullmatch(rf"Error: {module} is not installed; .*pip install 'edgeseg\[{extra}\]'\n", done.stderr)
    assert done.exit_code == MissingDependencyError.exit_code
    in_extra = [line for line in requires("edgeseg") or [] if re.search(rf"extra == ['\"]{extra}['\"]", line)]
    assert any(re.match(rf"{distribution}(?![\w-])", line) for line in in_extra)


@pytest.mark.parametrize(
    ("library", "package"),
    [("libGL.so.1", "libgl1"), ("libglib-2.0.so.0", "libglib2.0-0"), ("libgthread-2.0.so.0", "libglib2.0-0")],
)
def test_a_system_library_that_opencv_lacks_names_the_package_and_the_way_round(library: str, package: str) -> None:
    done = run(raising(ImportError(f"{library}: cannot open shared object file: No such file or directory")))
    assert done.exit_code == MissingDependencyError.exit_code
    assert re.fullmatch(
        rf"Error: opencv-python needs {re.escape(library)} .*apt-get install [^(]*{re.escape(package)} .*"
        r"opencv-python-headless\n",
        done.stderr,
    )


def test_another_system_library_is_named() -> None:
    done = run(raising(ImportError("libcuda.so.1: cannot open shared object file: No such file or directory")))
    assert done.exit_code == MissingDependencyError.exit_code
    assert done.stderr.startswith("Error: the system library libcuda.so.1 is missing")
    assert "opencv" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        ImportError("cannot import name 'scene' from 'segdata'", name="segdata"),
        ImportError("cannot import name 'Tensor' from 'torch'", name="torch"),
        ModuleNotFoundError("No module named 'segdata.nothing'", name="segdata.nothing"),
    ],
    ids=str,
)
def test_any_other_import_error_is_a_bug_and_shown_as_one(error: ImportError) -> None:
    assert run(raising(error)).exception is error


@pytest.mark.parametrize("letters", [300, 5000, 100_000])
def test_a_name_longer_than_names_can_be_is_one_line_of_some_length(letters: int) -> None:
    done = run(Path("a" * letters).is_file)
    assert done.exit_code == InputError.exit_code
    assert re.fullmatch(r"Error: a+.* cannot be looked for \(File name too long\); name another .*\n", done.stderr)
    assert len(done.stderr) < 2100


def test_a_folder_that_may_not_be_looked_into_is_one_line() -> None:
    done = run(raising(PermissionError(errno.EACCES, "Permission denied", "/root/street.mp4")))
    assert done.exit_code == InputError.exit_code
    said = "/root/street.mp4: cannot be looked for (Permission denied); name another file or folder"
    assert done.stderr == f"Error: {said}\n"


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "of no file"), OSError(errno.EIO, "of a disk", "street.mp4")])
def test_any_other_error_of_the_system_is_a_bug_and_shown_as_one(error: OSError) -> None:
    assert run(raising(error)).exception is error


def test_debug_raises_an_import_error_too() -> None:
    error = ModuleNotFoundError("No module named 'torch'", name="torch")
    assert run(raising(error), "--debug").exception is error


def test_interrupted_is_130() -> None:
    done = run(raising(KeyboardInterrupt()))
    assert done.exit_code == 130
    assert done.stderr.count("\n") == 1


def test_subcommands_make_the_same_promises() -> None:
    @click.group(cls=Group)
    def main() -> None: ...

    @main.command()
    @click.option("--size", default=128, help="Pixels.")
    def prepare(size: int) -> None:
        raise InputError(f"got size {size}")

    done = CliRunner().invoke(main, ["prepare"])
    assert (done.exit_code, done.stderr) == (3, "Error: got size 128\n")
    text = CliRunner().invoke(main, ["prepare", "-h"]).stdout
    assert "--debug" in text
    assert "[default: 128]" in text
    assert CliRunner().invoke(main, ["-h"]).exit_code == 0


SCRIPT = """
import sys, time, click
from pathlib import Path
from segdata.command_line.command import Command
from segdata.errors import InputError
from segdata.files import replacing

@click.command(cls=Command)
@click.option("--wait", is_flag=True)
def main(wait):
    if wait:
        with replacing(Path("made.onnx")) as temporary:
            temporary.write_text("half")
            click.echo("ready")
            time.sleep(60)
    raise InputError("no such video")

main()
"""


@pytest.mark.parametrize(("arguments", "shows_traceback", "code"), [([], False, 3), (["--debug"], True, 1)])
def test_a_process_leaves_as_promised(arguments: list[str], shows_traceback: bool, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("Traceback" in done.stderr) == shows_traceback
    if not shows_traceback:
        assert done.stderr == "Error: no such video\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to send to one process")
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_process_with_130_and_no_half_of_a_file(tmp_path: Path, name: signal.Signals) -> None:
    with child(
        [sys.executable, "-c", SCRIPT, "--wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(name)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "Interrupted; what was there before is unchanged.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rank", ["0", "1"])
def test_of_several_processes_of_a_machine_one_says_what_all_meet(monkeypatch: pytest.MonkeyPatch, rank: str) -> None:
    monkeypatch.setenv("LOCAL_RANK", rank)
    for error, code in ((InputError("no such video"), 3), (KeyboardInterrupt(), 130)):
        done = run(raising(error))
        assert done.exit_code == code
        assert done.stderr.count("\n") == (1 if rank == "0" else 0)
