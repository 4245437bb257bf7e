"""Downloads ONNX Runtime Web from npm into build/onnxruntime-web, once; the page docs/try/ runs the models with it.

    python docs/onnxruntime_web.py

Without npm or a network it prints a note and succeeds: the site is then built without it, and the page says so.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "1.30.0"
# As npm lists it (`npm view onnxruntime-web@1.30.0 dist.integrity`).
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
FILES = (
    "ort.wasm.bundle.min.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.bundle.min.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
FOLDER = Path(__file__).parents[1] / "build" / "onnxruntime-web" / VERSION


def fetch() -> str | None:
    """Put FILES into FOLDER. Returns why it could not be done, or None."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"onnxruntime-web@{VERSION}", "--silent", "--pack-destination", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"npm pack failed: {(done.stderr or done.stdout).strip()[-300:]}"
        (package,) = Path(folder).glob("*.tgz")
        if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != SHA512:
            return f"what npm sent is not onnxruntime-web {VERSION} as it was when this was written"
        with tarfile.open(package) as tar:
            for name in FILES:
                found = tar.extractfile(f"package/dist/{name}")
                assert found is not None, name
                (Path(folder) / name).write_bytes(found.read())
        FOLDER.parent.mkdir(parents=True, exist_ok=True)
        staged = FOLDER.with_name(f".{VERSION}")
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        for name in FILES:
            shutil.move(Path(folder) / name, staged / name)
        staged.replace(FOLDER)
    return None


if __name__ == "__main__" and not FOLDER.is_dir():
    reason = fetch()
    if reason:
        sys.stderr.write(f"{reason}: the page docs/try/ will have no runtime\n")
