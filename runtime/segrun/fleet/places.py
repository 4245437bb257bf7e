"""Where the results of a list's videos go, so that none replaces a video, another result or anything else."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from segdata.errors import InputError
from segrun.fleet.videos import Video, VideoList
from segrun.options import RunOptions
from segrun.sinks.open import NONE, STANDARD_OUTPUT, check_distinct

_MASK = ".png"  # the only kind of file in a folder of results


def checked_outputs(outputs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the outputs for a list of videos; raise InputError for one that is shared by all videos or named twice."""
    check_distinct(outputs)
    for output in outputs:
        if output == STANDARD_OUTPUT or "{frame}" in output:
            raise InputError(
                f"got -o {output}, which has no receipt; need files or folders as 'out/{{path}}.mp4', or none"
            )
        if output != NONE and "{path}" not in output:
            raise InputError(f"got -o {output} for many videos; put {{path}} into it, as 'out/{{path}}.mp4'")
    return outputs


def targets_of(video: Video, options: RunOptions) -> dict[str, Path]:
    """Return where the results of a video go, by their names; that of a folder ends with a slash."""
    names = [output.replace("{path}", video.below).replace("{name}", video.path.stem) for output in options.outputs]
    return {name: Path(name) for name in names if name != NONE}


def is_folder(name: str) -> bool:
    """Return whether the name of a result is that of a folder of masks."""
    return name.endswith(("/", os.sep))


def without_results(listed: VideoList, options: RunOptions) -> VideoList:
    """Return the videos of a folder or a pattern without the results of an earlier run.

    A video is such a result if it is where the result of another goes.
    """
    if listed.named:
        return listed
    resolved = _resolver()
    found = {resolved(video.path): video for video in listed.videos}
    results = {
        place
        for video in listed.videos
        for place in map(resolved, targets_of(video, options).values())
        if found.get(place) not in (None, video)
    }
    return replace(listed, videos=tuple(each for each in listed.videos if resolved(each.path) not in results))


def check_places(listed: VideoList, options: RunOptions) -> None:
    """Raise InputError if a result would replace a video of the list, or another result."""
    resolved = _resolver()
    videos = {resolved(video.path): video for video in listed.videos}
    results: dict[Path, Video] = {}
    folders: dict[Path, Video] = {}
    for video in listed.videos:
        for name, target in targets_of(video, options).items():
            place = resolved(target)
            if place in videos:
                raise InputError(f"got {videos[place].path} as input and as output; name another output with -o")
            if place in results:
                one = results[place].path
                raise InputError(f"got {one} and {video.path}, whose results would have one name; rename one of them")
            results[place] = video
            if is_folder(name):
                folders[place] = video
    if not folders:
        return
    for place in (*videos, *results):
        for folder in place.parents:
            if folder in folders:
                raise InputError(
                    f"got {folders[folder].path}, whose result would be the folder {folder}, and {place} in it; "
                    "name another output with -o"
                )


def check_replaceable(folder: Path) -> None:
    """Raise InputError if there is a folder that a folder of masks must not replace: it has other files."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.suffix.lower() != _MASK or not path.is_file():
            raise InputError(f"cannot write {folder}: {path.name} is in it, which is not a mask; name another folder")


def _resolver() -> Callable[[Path], Path]:
    """Return a function that resolves paths and looks at each folder only once: network disks are slow."""
    folder = cache(os.path.realpath)  # Path.resolve raises for links that lead in a circle
    return lambda path: Path(folder(path.parent), path.name)
