"""python -m segdata: the same as its command."""

from segdata.cli import main

main()
