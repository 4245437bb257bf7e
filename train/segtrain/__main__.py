"""python -m segtrain: the same as its command."""

from segtrain.cli import main

main()
