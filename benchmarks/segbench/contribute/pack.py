"""The file of a contribution: a ZIP of texts, its log among them, none of which tells whose machine it was."""

import time
import traceback
import zipfile
import zlib
from pathlib import Path

from segbench.contribute.privacy import Privacy
from segdata.errors import InputError

REPORT, PREFLIGHT, LOG = "report.json", "preflight.txt", "contribute.log"

_LARGEST = 50 << 20  # bytes of a member that is read: a report has some hundred thousand
_COMPLAINT = "need a file that seg-bench contribute wrote"


class Log:
    """What was done, line by line, each after the seconds since the beginning: to find out what failed far away."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._lines: list[str] = []

    def tell(self, line: str) -> None:
        """Add a line."""
        self._lines.append(f"{time.perf_counter() - self._start:8.1f} s  {line}")

    def fail(self, line: str, error: BaseException) -> None:
        """Add a line on what failed, and the whole traceback."""
        self.tell(line)
        self._lines += "".join(traceback.format_exception(error)).splitlines()

    @property
    def text(self) -> str:
        """All lines so far."""
        return "\n".join(self._lines) + "\n"


class Pack:
    """The members of a pack, by name, and its `log`, which is written with them. All texts are cleaned."""

    def __init__(self, privacy: Privacy) -> None:
        self.privacy, self.log = privacy, Log()
        self._members: dict[str, str] = {}

    def add(self, name: str, text: str) -> None:
        """Add a text, cleaned."""
        self._members[name] = self.privacy.clean(text)

    def add_clean(self, name: str, text: str) -> None:
        """Add a text made from cleaned ones, whose markup looks like paths."""
        self._members[name] = text

    def write(self, path: Path) -> None:
        """Write all of them, and the log."""
        self.add(LOG, self.log.text)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in self._members.items():
                archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)


def read_member(path: Path, name: str) -> bytes:
    """Return a member of a pack from elsewhere; raise InputError if `path` is not a pack, or has no such member."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(name).file_size > _LARGEST:
                raise InputError(f"{path}: its {name} is too large; {_COMPLAINT}")
            return archive.read(name)
    except KeyError:
        raise InputError(f"{path}: no {name} in it; {_COMPLAINT}, and whose measuring did not fail") from None
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_COMPLAINT}") from None
