"""python -m segexport: the same as its command."""

from segexport.cli import main

main()
