"""Damages files of every kind, lets edgeseg read them, and counts: read right, refused in one line, or failed.

    python tests/helpers/campaign.py --files 600 --seed 1 [--kind mp4] [--keep FOLDER]

Each file depends only on seed, kind and number. `--keep` names a folder for the files that failed.
"""

import argparse
import json
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import matplotlib.font_manager  # noqa: F401 - makes the list of fonts, which starts a program, before a file is read

sys.path.insert(0, str(Path(__file__).parents[1]))

PATIENCE = 30.0  # seconds that one file may take
START = 120.0  # seconds that a worker has until its first file


@dataclass(frozen=True)
class Case:
    """The outcome of one file: "right", "refused" or "failed", what was printed, and the time and memory it took."""

    kind: str
    index: int
    outcome: str
    said: str
    seconds: float = 0.0
    megabytes: int = 0


def campaign(sound: Path, work: Path, seed: int, wanted: Sequence[tuple[str, int]]) -> Iterator[Case]:
    """Yield the outcome of each file of `wanted`, kind and number; number 0 is the undamaged file.

    The files that failed stay in `work`. A worker that a file ended or hung is replaced for those after it.
    """
    left = list(wanted)
    while left:
        for case in _work(sound, work, seed, list(left)):
            if case.outcome != "failed":
                shutil.rmtree(work / f"{case.kind}-{case.index}", ignore_errors=True)
            yield case
            left.pop(0)


def _work(sound: Path, work: Path, seed: int, wanted: Sequence[tuple[str, int]]) -> Iterator[Case]:
    """Let one worker read files until all are done, or until a file kills it."""
    script = Path(__file__).with_name("worker.py")
    command = [sys.executable, str(script), str(sound), str(work), str(seed), json.dumps(wanted)]
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=work, bufsize=0)
        assert worker.stdout is not None
        try:
            _line(worker.stdout, "start", START)
            for kind, index in wanted:
                line = _line(worker.stdout, "{", PATIENCE)
                if not line:
                    yield Case(kind, index, "failed", _ending(worker, errors))
                    return
                yield Case(kind, index, **json.loads(line))
        finally:
            worker.kill()
            worker.wait()
            worker.stdout.close()


def _line(stream: IO[bytes], beginning: str, patience: float) -> str:
    """Return the next line with this prefix; an empty one if the stream ends or nothing arrives in time."""
    until = time.monotonic() + patience
    while (left := until - time.monotonic()) > 0 and select.select([stream], [], [], left)[0]:
        line = stream.readline().decode(errors="replace")
        if not line:
            break
        if line.startswith(beginning):
            return line
    return ""


def _ending(worker: "subprocess.Popen[bytes]", errors: IO[str]) -> str:
    try:
        code = worker.wait(1.0)
    except subprocess.TimeoutExpired:
        return f"no end after {PATIENCE:.0f} s"
    errors.seek(0)
    return f"ended by {signal.Signals(-code).name if code < 0 else code}: {errors.read()[:3000]}"


def main() -> None:
    from helpers.kinds import KINDS
    from helpers.sound_files import write_sound_files

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100, help="files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=KINDS, help="one kind alone; may be given again")
    parser.add_argument("--keep", type=Path, help="a folder for the files that failed")
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        sound, work = Path(folder) / "sound", options.keep or Path(folder) / "work"
        work.mkdir(parents=True, exist_ok=True)
        write_sound_files(sound)
        for kind in options.kind or KINDS:
            begun = time.monotonic()
            cases = list(campaign(sound, work, options.seed, [(kind, index) for index in range(options.files)]))
            counts = Counter(case.outcome for case in cases)
            totals += counts
            print(
                f"{kind:17} {counts['right']:6} right {counts['refused']:6} refused {counts['failed']:6} failed   "
                f"{time.monotonic() - begun:.0f} s; the slowest {max(case.seconds for case in cases):.1f} s, "
                f"the largest {max(case.megabytes for case in cases)} MB",
                flush=True,
            )
            for case in cases:
                if case.outcome == "failed":
                    print(f"  {kind} {case.index}: {case.said.strip()[-1500:]}", flush=True)
    print(f"{sum(totals.values())} files: {dict(totals)}")
    sys.exit(1 if totals["failed"] else 0)


if __name__ == "__main__":
    main()
