"""Runs the steps of a Dockerfile without Docker: each RUN in a fresh Debian that debootstrap made in a folder.

    python3 docker/in_chroot.py docker/cpu.Dockerfile FOLDER
    python3 docker/in_chroot.py docker/cuda.Dockerfile FOLDER --build-arg CUDA=13 --build-arg TENSORRT=tensorrt-rtx

Needs root and debootstrap; ends with the output of CMD. FROM must be a Debian. COPY copies the files that git tracks,
whatever .dockerignore says. A second FROM and COPY --from are refused.
"""

import argparse
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
    """A root file system in `folder`, with the user, directory and environment of the next RUN."""

    def __init__(self, folder: Path, build_args: dict[str, str]) -> None:
        self._folder, self._user, self._directory = folder, "root", "/"
        self._build_args, self._arguments = build_args, dict[str, str]()
        self._environment = {"PATH": PATH, "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

    def begin(self, image: str) -> None:
        """Install Debian, with the name servers and certificates of this machine."""
        if self._folder.exists():
            sys.exit("got a second FROM; only one is supported")
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
        """Unmount what is mounted, so that the folder can be removed."""
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

    def declare(self, words: str) -> None:
        """Take a build argument's value from the command line, or its default."""
        name, _, default = words.partition("=")
        self._arguments[name] = self._build_args.get(name, default)

    def run(self, command: list[str], arguments: dict[str, str] | None = None) -> None:
        """Run a command as Docker would, with the build arguments a RUN has; end where it fails."""
        user = subprocess.run(
            ["chroot", str(self._folder), "getent", "passwd", self._user], capture_output=True, text=True, check=True
        ).stdout.split(":")
        environment = (arguments or {}) | self._environment | {"HOME": user[5]}
        inside = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), *command]
        chroot = ["chroot", f"--userspec={user[2]}:{user[3]}", str(self._folder), "sh", "-c", 'cd "$0" && exec "$@"']
        done = subprocess.run([*chroot, self._directory, *inside], check=False)
        if done.returncode:
            sys.exit(f"FAILED ({done.returncode}): {' '.join(command)}")

    def obey(self, word: str, rest: str) -> None:
        """Carry out one instruction."""
        if word == "FROM":
            self.begin(rest)
        elif word == "RUN":
            self.run(["sh", "-c", rest], self._arguments)
        elif word == "ARG":
            self.declare(rest)
        elif word == "COPY":
            self.copy(rest)
        elif word == "ENV":
            name, _, value = rest.partition("=")
            self._environment[name] = value
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("folder", type=Path, help="a new folder, for the root file system")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    if os.geteuid():
        parser.error("only root can change the root folder")
    if given.folder.exists():
        parser.error(f"{given.folder} is there already; name a new folder")
    build_args = {name: value for name, _, value in (each.partition("=") for each in given.build_arg)}
    steps = list(instructions(given.dockerfile))
    unknown = build_args.keys() - {rest.partition("=")[0] for word, rest in steps if word == "ARG"}
    if unknown:
        parser.error(f"{given.dockerfile} has no ARG {', '.join(sorted(unknown))}")
    root = Root(given.folder.absolute(), build_args)
    count = 0
    try:
        for word, rest in steps:
            print(f"--- {word} {rest}", flush=True)
            root.obey(word, rest)
            count += word == "RUN"
    finally:
        root.end()
    print(f"{given.dockerfile}: {count} RUN lines and CMD went well")


if __name__ == "__main__":
    main()
