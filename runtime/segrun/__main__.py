"""python -m segrun: the same as its command."""

from segrun.cli import main

main()
