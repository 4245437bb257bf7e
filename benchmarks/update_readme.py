"""Writes the table of a benchmark into the README.

python benchmarks/update_readme.py [REPORT_JSON]
"""

import sys
from pathlib import Path

from segbench.report.readme_table import update_readme
from segbench.results import read_report

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "benchmarks" / "results" / "amd-epyc-2-cores.json"


def main() -> None:
    """Replace the README's table by that of a report."""
    update_readme(ROOT / "README.md", read_report(Path(sys.argv[1]) if len(sys.argv) > 1 else REPORT))


if __name__ == "__main__":
    main()
