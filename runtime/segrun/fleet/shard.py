"""The share of the videos that this process does when several machines work on one list."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segdata.errors import InputError
from segrun.fleet.videos import Video

_NUMBERS = {"JOB_COMPLETION_INDEX": "JOB_COMPLETIONS", "SLURM_ARRAY_TASK_ID": "SLURM_ARRAY_TASK_COUNT"}
"""The variables in which Kubernetes' indexed Jobs and SLURM's arrays give the index and the count.

Kubernetes sets no count: a manifest gives it as JOB_COMPLETIONS.
"""
_FIRST = {"SLURM_ARRAY_TASK_ID": "SLURM_ARRAY_TASK_MIN"}  # an array may be numbered from any number
_STEP = {"SLURM_ARRAY_TASK_ID": "SLURM_ARRAY_TASK_STEP"}  # and in steps, as 0-12:4


@dataclass(frozen=True)
class Shard:
    """Share `index` (from 0) of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"

    def of(self, videos: Sequence[Video]) -> list[Video]:
        """Return this share of `videos`, in their order.

        The shares are about equal in bytes: each video, the largest first, goes to the share that is smallest so far.
        They depend on the list alone, so every machine finds the same.
        """
        loads = [0] * self.count
        mine = set()
        for video in sorted(videos, key=lambda video: (-video.size, video.below)):
            least = loads.index(min(loads))
            loads[least] += max(1, video.size)
            if least == self.index:
                mine.add(video.path)
        return [video for video in videos if video.path in mine]


def parse_shard(text: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
    """Return the share that `text` ("3/16") names; without it the one that the scheduler names, or all.

    Raises InputError for an invalid share.
    """
    if text is not None:
        parts = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if parts is None or not 1 <= int(parts[1]) <= int(parts[2]):
            raise InputError(f"got shard {text}, need K/N with K from 1 to N, as 3/16")
        return Shard(int(parts[1]) - 1, int(parts[2]))
    for index_name, count_name in _NUMBERS.items():
        if index_name not in environment:
            continue
        first = environment.get(_FIRST.get(index_name, ""), "0")
        step = environment.get(_STEP.get(index_name, ""), "1")
        try:
            index = (int(environment[index_name]) - int(first)) // int(step)
            shard = Shard(index, int(environment[count_name]))
        except (KeyError, ValueError, ZeroDivisionError):
            raise InputError(
                f"{index_name} is set but {count_name} is not a number; set it, or give --shard K/N"
            ) from None
        if not 0 <= shard.index < shard.count:
            raise InputError(f"{index_name} is {environment[index_name]} of {shard.count}; give --shard K/N")
        return shard
    return Shard(0, 1)
