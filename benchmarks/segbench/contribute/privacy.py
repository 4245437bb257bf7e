"""Removes from text whose machine it was: the user's name, the machine's, and the folders of both."""

import getpass
import os
import platform
import re
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

Record = TypeVar("Record")

USER, HOST = "<user>", "<host>"

# Folders that are the same on everyone's machine, and tell which library failed.
_SYSTEM = re.compile(
    r"/(usr|lib|lib64|bin|sbin|proc|sys|dev|etc|opt/(nvidia|cuda[^/]*))/|[a-z]:/(windows|program files)/"
)

# The packages that a traceback went through; the path before it says whose they are.
_INSTALLED = re.compile(r".*/(?:site-packages|dist-packages)/|.*/(?=python3[^/]*/[^/]+\.py$)")

_WORD = r"""[^\s/\\"'`<>|:;,*?()\[\]{}=]+"""
_PATH = re.compile(rf"(?<![\w/\\.-])(?<!https:)(?<!http:)(?:~(?:[/\\]+{_WORD})+|(?:[A-Za-z]:)?(?:[/\\]+{_WORD}){{2,}})")

# Generic names of users and machines. As words of a sentence they identify nobody.
_NOBODY = {
    "root", "user", "admin", "administrator", "ubuntu", "debian", "fedora", "linux", "windows", "nvidia", "jetson",
    "localhost", "localdomain", "local", "runner", "docker", "desktop", "laptop", "home", "edgeseg",
}  # fmt: skip
_SHORTEST = 3  # letters; shorter names occur in every other line

# Facts about hardware and edgeseg's own files. A user's name may be a part of one.
_FACTS = {
    "artefact",
    "reference",
    "recommended",
    "precision",
    "runner",
    "device",
    "computes",
    "sha256",
    "stage",
    "meter",
}
_FACTS |= {"processor", "name", "driver", "python", "created"}


@dataclass(frozen=True)
class Privacy:
    """What must be removed: folders, names of users and names of machines."""

    folders: frozenset[str]
    users: frozenset[str]
    hosts: frozenset[str]

    def clean(self, text: str) -> str:
        """Return `text` without them. Of a path outside the system's folders only the file's name is left."""
        for folder in sorted(self.folders, key=len, reverse=True):
            text = re.sub(_either_slash(folder) + r"(?![\w-])", "~", text, flags=re.IGNORECASE)
        text = _PATH.sub(lambda found: _without_folders(found[0]), text)
        for names, instead in ((self.users, USER), (self.hosts, HOST)):
            for name in sorted(names, key=len, reverse=True):
                text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", instead, text, flags=re.IGNORECASE)
        return text

    def clean_record(self, record: Record) -> Record:
        """Return a dataclass with every text in it cleaned, except those that name hardware and artefacts."""
        kind = TypeAdapter(type(record))
        return kind.validate_python(_cleaned(kind.dump_python(record), "", self.clean))


def private_here() -> Privacy:
    """Return what must be removed for this machine and its user."""
    variables = [os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")]
    users = {*variables}
    homes = {os.environ.get("HOME", ""), os.environ.get("USERPROFILE", "")}
    with suppress(KeyError, OSError, ImportError):  # a container's user may have no name
        users.add(getpass.getuser())
    with suppress(RuntimeError):
        homes.add(str(Path.home()))
    hosts = {platform.node(), socket.gethostname(), os.environ.get("HOSTNAME", ""), os.environ.get("COMPUTERNAME", "")}
    hosts |= {host.partition(".")[0] for host in hosts}
    own = {str(Path.cwd()), sys.prefix, sys.base_prefix, *sys.path}
    folders = {folder.rstrip("/\\") for folder in homes | {each for each in own if not _is_of_system(each)}}
    users |= {re.split(r"[/\\]", folder)[-1] for folder in homes}
    return Privacy(frozenset(folder for folder in folders if len(folder) > 1), _telling(users), _telling(hosts))


def _telling(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name in names if len(name) >= _SHORTEST and name.lower() not in _NOBODY)


def _either_slash(folder: str) -> str:
    return r"[/\\]+".join(re.escape(part) for part in re.split(r"[/\\]+", folder))


def _is_of_system(folder: str) -> bool:
    return bool(_SYSTEM.match(f"{folder.lower()}/".replace("\\", "/")))


def _without_folders(path: str) -> str:
    if _is_of_system(path):
        return path
    plain = re.sub(r"[/\\]+", "/", path)
    if found := _INSTALLED.match(plain):
        return plain[found.end() :]
    return f".../{plain.rpartition('/')[2]}"


def _cleaned(value: Any, key: str, clean: Callable[[str], str]) -> Any:  # noqa: ANN401 - what JSON may hold
    if isinstance(value, str):
        return value if key in _FACTS else clean(value)
    if isinstance(value, dict):
        return {name: _cleaned(each, name, clean) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(each, key, clean) for each in value]
    return value
