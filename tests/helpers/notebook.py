"""Runs a notebook in a folder and writes it there with what it printed: python notebook.py NOTEBOOK FOLDER."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

notebook, folder = map(Path, sys.argv[1:])
read = nbformat.read(notebook, as_version=4)
NotebookClient(read, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
nbformat.write(read, folder / notebook.name)
