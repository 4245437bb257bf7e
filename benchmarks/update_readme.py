"""Takes files that were sent into benchmarks/results, and writes the tables of the READMEs from its JSON.

Without a file, it also writes the Markdown and the page of every report again.

python benchmarks/update_readme.py [FILE.zip ...]
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from segbench.contribute.take_in import take_in
from segbench.report.markdown import write_markdown
from segbench.report.page import write_page
from segbench.report.readme_table import update_index, update_readme
from segbench.results import BenchReport, read_report

ROOT = Path(__file__).parents[1]
RESULTS = Path("benchmarks", "results")
FIRST = "amd-epyc-2-cores"
"""The report that the README has in full; of the others it has a row a model."""


def main(sent: Sequence[Path], root: Path = ROOT) -> None:
    """Take in the files that were sent, or write all reports again if there are none; then write both tables."""
    for pack in sent:
        print(take_in(pack, root / RESULTS))
    if not sent:
        write_reports(root)
    write_tables(root)


def write_tables(root: Path) -> None:
    """Write the table of each README."""
    reports = _reports(root)
    update_index(root / RESULTS / "README.md", reports)
    first = reports.pop(FIRST)
    update_readme(root / "README.md", first, reports)


def write_reports(root: Path) -> None:
    """Write NAME.md and NAME.html beside each NAME.json."""
    for name, report in _reports(root).items():
        write_markdown(report, root / RESULTS / f"{name}.md")
        write_page(report, root / RESULTS / f"{name}.html")


def _reports(root: Path) -> dict[str, BenchReport]:
    return {path.stem: read_report(path) for path in sorted((root / RESULTS).glob("*.json"))}


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
