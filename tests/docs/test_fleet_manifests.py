"""The manifests of docs/fleet.md are valid for Kubernetes and SLURM, and name existing shares."""

import re
import shlex
import subprocess
from typing import Any

import pytest
import yaml

from helpers.docs_pages import DOCS, FENCE
from segrun.cli import main
from segrun.fleet.shard import Shard, parse_shard

BLOCKS = dict(FENCE.findall((DOCS / "fleet.md").read_text(encoding="utf-8")))


def options_of(words: list[str]) -> dict[str, Any]:
    assert words[0] == "seg-run"
    with main.make_context("seg-run", words[1:]) as context:
        return dict(context.params)


def test_the_job_of_kubernetes_is_indexed_and_says_how_many_shares_there_are() -> None:
    job = yaml.safe_load(BLOCKS["yaml"])
    assert (job["apiVersion"], job["kind"], job["spec"]["completionMode"]) == ("batch/v1", "Job", "Indexed")
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # which backoffLimitPerIndex asks for
    (container,) = pod["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    shares = [
        parse_shard(None, {**environment, "JOB_COMPLETION_INDEX": str(n)}) for n in range(job["spec"]["completions"])
    ]
    assert shares == [Shard(number, 16) for number in range(16)]
    options = options_of(container["command"])
    mounted = {volume["mountPath"] for volume in container["volumeMounts"]}
    assert {f"/{str(options[name]).split('/')[1]}" for name in ("listed", "receipts")} == mounted
    assert {volume["name"] for volume in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_the_script_of_slurm_is_an_array_of_shares() -> None:
    script = BLOCKS["bash"]
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    first, last = map(int, re.findall(r"^#SBATCH --array=(\d+)-(\d+)$", script, re.MULTILINE)[0])
    for task in (first, last):
        environment = {
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_COUNT": str(last - first + 1),
            "SLURM_ARRAY_TASK_MIN": str(first),
        }
        assert parse_shard(None, environment) == Shard(task - first, 16)
    options = options_of(shlex.split(script.splitlines()[-1]))
    assert options["outputs"] == ("/mnt/out/{path}.mp4",)


@pytest.mark.parametrize("language", ["yaml", "bash"])
def test_there_is_one_of_each(language: str) -> None:
    assert BLOCKS[language]
