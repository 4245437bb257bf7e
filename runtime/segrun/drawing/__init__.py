"""Drawing into frames."""
