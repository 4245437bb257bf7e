"""python -m segbench: the same as its command."""

from segbench.cli import main

main()
