"""A file that names another one: nothing is read or written outside its folder, unpickled, run or fetched."""

import ast
import os
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import av
import numpy as np
import onnx
import pytest
import torch

from helpers.sound_files import prepare_options
from segdata.dataset.arrays import open_array
from segdata.dataset.dataset import Dataset
from segdata.errors import ContractError, InputError
from segdata.prepare.prepare import prepare
from segdata.video.reader import VideoReader
from segrun.options import RunnerName
from segrun.runners.open import open_runner
from segtrain.network.checkpoint import load_checkpoint
from segtrain.state import read_position

if TYPE_CHECKING:
    from conftest import Refused

PACKAGES = ("data/segdata", "train/segtrain", "export/segexport", "runtime/segrun", "benchmarks/segbench")
ROOT = Path(__file__).parents[2]
RUNNERS = [name for name in get_args(RunnerName) if name != "auto"]


# --- nothing is unpickled or evaluated


def _called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            weights_only = any(
                word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords
            )
            yield ast.unparse(node.func) + (" of weights only" if weights_only else "")
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            errors_only = all(alias.name.endswith("Error") for alias in node.names)
            yield str(node.module) + (" for its errors" if errors_only else "")


def test_no_module_unpickles_or_evaluates_anything() -> None:
    refused = {"pickle", "marshal", "shelve", "dill", "joblib", "yaml.load", "yaml.load_all", "yaml.full_load",
               "yaml.unsafe_load", "yaml.Loader", "eval", "exec", "compile", "torch.load", "np.load", "numpy.load",
               "np.loads", "torch.jit.load", "onnx.hub", "urllib.request"}  # fmt: skip
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    assert len(files) > 80
    for file in files:
        found = refused.intersection(_called(ast.parse(file.read_text(encoding="utf-8"))))
        assert not found, f"{file}: {found}"


class _Payload:
    """Makes a folder called `fired` where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self._place = str(place / "fired")

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self._place,)


@pytest.mark.filterwarnings("ignore")
def test_a_pickle_in_the_place_of_any_file_is_not_unpickled(tmp_path: Path) -> None:
    payload = _Payload(tmp_path)
    array = tmp_path / "array.npy"
    np.save(array, np.array([payload], dtype=object), allow_pickle=True)
    zipped, plain = tmp_path / "torch.safetensors", tmp_path / "plain.safetensors"
    torch.save({"weights": payload}, zipped)
    plain.write_bytes(pickle.dumps(payload))
    with pytest.raises(ValueError, match="objects"):
        open_array(array)
    for path in (zipped, plain):
        for read in (load_checkpoint, read_position):
            with pytest.raises(InputError, match="not a safetensors file"):
                read(path)
    assert not (tmp_path / "fired").exists()


# --- datasets


@pytest.mark.parametrize("name", ["../val", "/etc/val", "a/b", "..", "", "a\\\\b", "a\\u0000b", "a" * 10_000])
def test_the_name_of_a_split_is_a_short_one_inside_the_dataset(
    sound: Path, tmp_path: Path, refused: "Refused", name: str
) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(sound / "dataset", folder)
    for what in ("images", "labels"):
        shutil.copy(folder / f"train_{what}.npy", tmp_path / f"val_{what}.npy")
    file = folder / "dataset.json"
    file.write_text(file.read_text().replace('"train": {', f'"{name}": {{'))
    with refused("the name of a split is not a short file name"):
        Dataset(folder)


def test_an_array_that_is_a_link_out_of_the_dataset_is_refused(sound: Path, tmp_path: Path, refused: "Refused") -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(sound / "dataset", folder)
    (folder / "val_images.npy").rename(tmp_path / "elsewhere.npy")
    (folder / "val_images.npy").symlink_to(tmp_path / "elsewhere.npy")
    with refused(r"val_images\.npy: leads to .*elsewhere\.npy, out of the dataset"):
        Dataset(folder).split("val")
    whole = tmp_path / "link"
    whole.symlink_to(sound / "dataset")
    assert len(Dataset(whole).split("val")) == 6


def test_a_preparation_does_not_write_through_a_link_an_earlier_run_left(
    sound: Path, tmp_path: Path, refused: "Refused"
) -> None:
    options = prepare_options(sound / "source", tmp_path / "out")
    partial, victim = tmp_path / ".out.partial", tmp_path / "victim"
    shutil.copytree(sound / "partial", victim)
    before = {path.name: path.read_bytes() for path in victim.iterdir()}
    partial.symlink_to(victim)
    with refused("is a link, need a folder"):
        prepare(options)
    partial.unlink()
    partial.mkdir()
    for path in victim.iterdir():
        (partial / path.name).symlink_to(path)
    assert prepare(options).resumed == 0
    assert {path.name: path.read_bytes() for path in victim.iterdir()} == before
    assert not any(path.is_symlink() for path in (tmp_path / "out").iterdir())


# --- models


@pytest.mark.parametrize("runner_name", RUNNERS)
@pytest.mark.parametrize("place", ["beside", "above", "absolute"])
def test_weights_in_another_file_are_not_read(
    sound: Path, tmp_path: Path, refused: "Refused", runner_name: RunnerName, place: str
) -> None:
    model = onnx.load(sound / "onnx/tiny.fp32.onnx")
    folder = tmp_path / "models"
    folder.mkdir()
    weights = (folder if place == "beside" else tmp_path) / "weights.bin"
    tensor = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    weights.write_bytes(tensor.raw_data)  # sound, so that who reads it gets a model that runs
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key = "location"
    entry.value = {"beside": "weights.bin", "above": "../weights.bin", "absolute": str(weights)}[place]
    (folder / "pointing.onnx").write_bytes(model.SerializeToString())
    with refused(r"pointing\.onnx: its weights .* are in another file, need one file", ContractError):
        open_runner(folder / "pointing.onnx", runner_name)


# --- videos


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        yield server


def _write_segment(path: Path) -> None:
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for _ in range(30):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


_HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n#EXTINF:1.2,\n{target}\n#EXT-X-ENDLIST\n"
_CONCAT = "ffconcat version 1.0\nfile {target}\n"
_DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S" '
    'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp2t">'
    '<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL><SegmentList duration="1"><SegmentURL '
    'media="{target}"/></SegmentList></Representation></AdaptationSet></Period></MPD>'
)
_SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8"])
@pytest.mark.parametrize("listing", [_HLS, _CONCAT, _DASH, _SDP], ids=["hls", "concat", "dash", "sdp"])
@pytest.mark.parametrize("target", ["outside", "beside", "address"])
def test_a_list_of_videos_is_no_video(
    tmp_path: Path, refused: "Refused", listener: socket.socket, suffix: str, listing: str, target: str
) -> None:
    port = listener.getsockname()[1]
    folder = tmp_path / "videos"
    folder.mkdir()
    for place in (tmp_path, folder):
        _write_segment(place / "other.ts")
    named = {
        "outside": "../other.ts", "beside": "other.ts", "address": f"http://127.0.0.1:{port}/other.ts"
    }[target]  # fmt: skip
    path = folder / f"list{suffix}"
    path.write_text(listing.format(target=named, port=port))
    with refused("not a video FFmpeg can read|but no video"):
        list(VideoReader(path, timeout=5.0).frames())
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_what_the_lists_name_is_a_video(tmp_path: Path) -> None:
    _write_segment(tmp_path / "other.ts")
    assert len(list(VideoReader(tmp_path / "other.ts").frames())) == 30


# --- the network


def test_openvino_tells_nobody_that_it_is_used(sound: Path, tmp_path: Path) -> None:
    code = """
import sys
connections = []
sys.addaudithook(lambda event, values: connections.append(values) if event.startswith(("socket.", "os.fork")) else None)
from pathlib import Path
import numpy as np
from segrun.runners.open import open_runner
with open_runner(Path(sys.argv[1])) as run:
    run(np.zeros((1, run.spec.height, run.spec.width, 3), np.uint8))
print(connections, [name for name in sys.modules if "openvino_telemetry." in name])
"""
    command = [sys.executable, "-c", code, str(sound / "onnx/tiny.fp32.onnx")]
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[] []\n"
    assert not list(tmp_path.iterdir())
