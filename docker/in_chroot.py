"""Carries out a Dockerfile on Debian in a folder, where there is no Docker: each RUN in a fresh root of debootstrap.

    python3 docker/in_chroot.py docker/cpu.Dockerfile FOLDER

As root, with debootstrap installed; ends with what CMD prints. FROM must be a Debian. COPY copies what git tracks,
whatever .dockerignore says. ARG, a second FROM and COPY --from are refused.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yield each instruction of a Dockerfile and what follows it, lines joined."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


class Root:
    """A root file system in `folder`, with the user, directory and environment that the next RUN has."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._user, self._directory = folder, "root", "/"
        self._environment = {"PATH": PATH, "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

    def begin(self, image: str) -> None:
        """Install Debian, and what reaches a network here: names and certificates."""
        found = re.fullmatch(r"debian:(\w+?)(-slim)?", image)
        if not found:
            sys.exit(f"got FROM {image}, need a debian:NAME: debootstrap installs no other")
        subprocess.run(["debootstrap", "--variant=minbase", found[1], self._folder], check=True)
        shutil.copy("/etc/resolv.conf", self._folder / "etc/resolv.conf")
        subprocess.run(["mount", "-t", "proc", "proc", self._folder / "proc"], check=True)
        if CERTIFICATES.is_file():
            target = self._folder / "etc/host-certificates.crt"
            shutil.copy(CERTIFICATES, target)
            self._environment["PIP_CERT"] = "/etc/host-certificates.crt"

    def end(self) -> None:
        """Leave a folder that can be removed."""
        subprocess.run(["umount", "--quiet", self._folder / "proc"], check=False)

    def copy(self, words: str) -> None:
        """Copy what git tracks to a folder."""
        source, target = words.split()
        if source != ".":
            sys.exit(f"got COPY {words}, need COPY . FOLDER")
        files = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout.decode()
        for name in filter(None, files.split("\0")):
            if Path(name).is_file():
                place = self._folder / target.strip("/") / name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(name, place)

    def run(self, command: list[str]) -> None:
        """Run a command as Docker would; end where it fails."""
        user = subprocess.run(
            ["chroot", self._folder, "getent", "passwd", self._user], capture_output=True, text=True, check=True
        ).stdout.split(":")
        environment = self._environment | {"HOME": user[5]}
        inside = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), *command]
        chroot = ["chroot", f"--userspec={user[2]}:{user[3]}", self._folder, "sh", "-c", 'cd "$0" && exec "$@"']
        done = subprocess.run([*chroot, self._directory, *inside], check=False)
        if done.returncode:
            sys.exit(f"FAILED ({done.returncode}): {' '.join(command)}")

    def obey(self, word: str, rest: str) -> None:
        """Carry out one instruction."""
        if word == "FROM":
            self.begin(rest)
        elif word == "RUN":
            self.run(["sh", "-c", rest])
        elif word == "COPY":
            self.copy(rest)
        elif word == "ENV":
            self._environment.update([rest.split("=", 1)])
        elif word == "USER":
            self._user = rest
        elif word == "WORKDIR":
            self._directory = rest
        elif word == "CMD":
            self.run(json.loads(rest))
        elif word != "EXPOSE":
            sys.exit(f"got {word} {rest}, which is not known here")


def main() -> None:
    """Carry out a Dockerfile."""
    if len(sys.argv) != 3 or os.geteuid():
        sys.exit(str(__doc__))
    dockerfile, folder = map(Path, sys.argv[1:])
    if folder.exists():
        sys.exit(f"{folder}: is there already; name a new folder")
    root = Root(folder.absolute())
    count = 0
    try:
        for word, rest in instructions(dockerfile):
            print(f"--- {word} {rest}", flush=True)
            root.obey(word, rest)
            count += word == "RUN"
    finally:
        root.end()
    print(f"{dockerfile}: {count} RUN lines and CMD went well")


if __name__ == "__main__":
    main()
