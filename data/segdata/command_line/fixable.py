"""Errors of Python and the system as ones that the user can fix: what is missing, and how to install it."""

import errno
import re
from importlib.metadata import requires

from segdata.errors import EdgeSegError, InputError, MissingDependencyError

_FOR_DEVELOPERS = ("dev", "docs")  # extras
_PACKAGES = {"yaml": "pyyaml"}  # that bring a module of another name

# What opencv-python links against but does not bring, and the Debian packages that have all of it.
_OPENCV_LIBRARIES = {
    "libGL.so.1",
    "libglib-2.0.so.0",
    "libgthread-2.0.so.0",
    "libxcb.so.1",
    "libX11.so.6",
    "libXext.so.6",
}
_OPENCV_PACKAGES = "libgl1 libglib2.0-0 libxcb1 libx11-6 libxext6"


def fixable(error: EdgeSegError | ImportError | OSError) -> EdgeSegError:
    """Return the error as one that the user can fix; raise the error itself if it is a bug."""
    if isinstance(error, EdgeSegError):
        return error
    if isinstance(error, ImportError):
        return missing_dependency(error)
    # What Python raises when it is asked whether a file of an impossible name exists.
    if error.errno not in (errno.EACCES, errno.ENAMETOOLONG) or error.filename is None:
        raise error
    return InputError(f"{error.filename}: cannot be looked for ({error.strerror}); name another file or folder")


def _extra_of(package: str) -> str | None:
    """Return which extra of edgeseg brings a package, by the package's metadata: the smallest of those that do."""
    from packaging.requirements import Requirement

    brings: dict[str, list[str]] = {}
    for requirement in map(Requirement, requires("edgeseg") or ()):
        if extra := re.search(r"extra == ['\"](\w+)", str(requirement.marker)):
            brings.setdefault(extra[1], []).append(requirement.name.replace("-", "_").lower())
    bringing = [extra for extra, names in brings.items() if package in names and extra not in _FOR_DEVELOPERS]
    return min(bringing, key=lambda extra: len(brings[extra]), default=None)


def missing_dependency(error: ImportError) -> EdgeSegError:
    """Say what to install for a failed import; raise the error itself if it is not one of our dependencies."""
    module = (error.name or "").split(".")[0]
    package = _PACKAGES.get(module, module)
    if isinstance(error, ModuleNotFoundError) and (extra := _extra_of(package)):
        return MissingDependencyError(f"{package} is not installed; run: pip install 'edgeseg[{extra}]'")
    library = re.match(r"(lib\S+\.so[.\d]*): cannot open shared object file", str(error))
    if library is None:
        raise error
    if library[1] not in _OPENCV_LIBRARIES:
        return MissingDependencyError(f"the system library {library[1]} is missing; install the package that has it")
    return MissingDependencyError(
        f"opencv-python needs {library[1]} from the system; run: apt-get install {_OPENCV_PACKAGES} "
        "(Debian, Ubuntu), or: pip uninstall -y opencv-python && pip install opencv-python-headless"
    )
