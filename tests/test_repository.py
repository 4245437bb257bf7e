"""The files of the repository that none of our programs reads: everything they name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.docs_pages import ROOT
from segrun.cli import main as seg_run

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow: Path) -> str:
    """All that a workflow runs."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return "\n".join(step.get("run", "") for job in jobs for step in job["steps"])


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in set(targets) - {"clean", "check-repository"}:
        assert f"make {target} " in told, target


def test_ci_is_what_a_contributor_runs() -> None:
    assert ".ci/run" in steps(ROOT / ".github" / "workflows" / "ci.yml")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_is_there(workflow: Path) -> None:
    run = steps(workflow)
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", run):
        assert f"\n{target}:" in makefile
    for script in re.findall(r"(?:tests|\.ci)/[\w/.]+", run):
        assert (ROOT / script).is_file()


def test_the_campaign_takes_what_the_night_gives_it() -> None:
    help_text = subprocess.run(
        [sys.executable, "tests/helpers/campaign.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    (line,) = (line for line in steps(ROOT / ".github/workflows/nightly.yml").splitlines() if "campaign" in line)
    for option in re.findall(r"--[a-z]+", line):
        assert option in help_text


@pytest.mark.parametrize("service", ["camera", "camera-gpu"])
def test_seg_run_takes_what_compose_gives_it(service: str) -> None:
    read = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][service]
    given = {"CAMERA": "rtsp://camera/street", "TOKEN": "word", "MODEL": "unet.engine"}
    words = [re.sub(r"\$\{(\w+):[^}]*\}", lambda found: given[found[1]], word) for word in read["command"]]
    assert words.pop(0) == "seg-run"
    with seg_run.make_context("seg-run", words) as context:
        assert context.params["serve"] == "0.0.0.0:8000"
        assert context.params["token"] == "word"
    assert (ROOT / read["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_a_dockerfile_names_extras_and_programs_that_there_are(name: str) -> None:
    text = (ROOT / "docker" / f"{name}.Dockerfile").read_text()
    pyproject = (ROOT / "pyproject.toml").read_text()
    for extras in re.findall(r"/src\[([\w,]+)\]", text):
        for extra in extras.split(","):
            assert re.search(rf"^{extra} = \[", pyproject, re.MULTILINE), extra
    assert 'CMD ["seg-bench", "preflight"]' in text
    assert f"docker/{name}.Dockerfile" in (ROOT / "docs" / "install.md").read_text()


def test_the_gpu_image_takes_the_releases_that_the_extras_allow() -> None:
    dockerfile = (ROOT / "docker" / "cuda.Dockerfile").read_text()
    pyproject = (ROOT / "pyproject.toml").read_text()
    ranges = dict(re.findall(r"^ +(tensorrt|tensorrt-rtx)\) releases='(\S+)'", dockerfile, re.MULTILINE))
    assert ranges.keys() == {"tensorrt", "tensorrt-rtx"}
    for requirement in [f"{name}{releases}" for name, releases in ranges.items()] + re.findall(
        r"'((?:pycuda|nvidia-ml-py)\S+)'", dockerfile
    ):
        assert f'"{requirement}"' in pyproject, requirement


def test_the_citation_is_of_this_version() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version[1]
