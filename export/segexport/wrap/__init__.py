"""A network that was made elsewhere, brought under the graph contract."""
