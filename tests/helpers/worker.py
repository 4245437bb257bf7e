"""Reads damaged files one after the other, in a separate process, and reports the outcome of each.

    python worker.py SOUND WORK SEED '[["mp4", 0], ["mp4", 1]]'

Before each file it writes a line `start`, after it a line of JSON. The parent notices if a file kills it or hangs it.
"""

import faulthandler
import gc
import json
import os
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

HEADROOM = 2 << 30
"""How many bytes more than before one file may take."""

LONGEST_LINE = 6000
"""How long an error may be: the command that builds an engine again stands in some."""


class _Watch:
    """Records what Python opens, unpickles, starts and connects to, without reason, while a file is read."""

    def __init__(self, allowed: list[Path]) -> None:
        self._allowed = tuple(f"{path}{os.sep}" for path in allowed)
        self.inside: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, values: tuple[object, ...]) -> None:
        if self.inside is None:
            return
        # A relative name is one below a folder that was opened: shutil.rmtree goes down so.
        if event == "open" and isinstance(values[0], str | bytes) and Path(os.fsdecode(values[0])).is_absolute():
            place = os.path.realpath(os.fsdecode(values[0]))
            if place != self.inside and not place.startswith((self.inside + os.sep, *self._allowed)):
                self.seen.append(f"opened {place}")
        elif event in ("pickle.find_class", "socket.connect", "os.system", "subprocess.Popen"):
            self.seen.append(f"{event} {values}")


def main() -> None:
    sound, work, seed, cases = sys.argv[1:]
    faulthandler.enable()
    import torch

    from helpers.kinds import KINDS, make_case, use_sound_files
    from segdata.errors import EdgeSegError

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    sound_folder = Path(sound).resolve()
    use_sound_files(sound_folder)
    system = map(Path, ("/usr", "/proc", "/sys", "/dev", "/etc/localtime"))
    repository = Path(__file__).parents[2]
    own = Path.home() / ".cache"
    caches = own, Path(os.environ.get("XDG_CACHE_HOME") or own).resolve()
    watch = _Watch([sound_folder, Path(sys.prefix), Path(sys.base_prefix), repository, *caches, *system])
    for number, (name, index) in enumerate(json.loads(cases)):
        folder = Path(work).resolve() / f"{name}-{index}"
        folder.mkdir(parents=True)
        path = make_case(KINDS[name], Random(f"{seed} {name} {index}"), folder, sound=index == 0)
        print("start", flush=True)
        with suppress(OSError):  # forget the peak of the files before; not everyone may
            Path("/proc/self/clear_refs").write_text("5")
        before, begun = _memory("VmRSS"), time.perf_counter()
        tempfile.tempdir = str(folder)  # ONNX Runtime quantises by way of temporary files
        watch.seen.clear()
        watch.inside = str(folder)
        try:
            KINDS[name].read(path, folder)
            outcome, said = "right", ""
        except EdgeSegError as error:
            outcome, said = "refused", str(error)
            if len(said) > LONGEST_LINE:
                outcome = "failed"
        except BaseException:
            outcome, said = "failed", traceback.format_exc()
        watch.inside = None
        seconds, grown = time.perf_counter() - begun, _memory("VmHWM") - before
        if watch.seen or grown > HEADROOM or (index == 0 and outcome != "right"):
            outcome, said = "failed", f"{watch.seen[:5]}, {grown >> 20} MB more; {said}"
        told = {"outcome": outcome, "said": said[-3000:], "seconds": seconds, "megabytes": grown >> 20}
        print(json.dumps(told), flush=True)
        if number % 20 == 0:
            gc.collect()


def _memory(name: str) -> int:
    """Return the memory of this process by /proc, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
