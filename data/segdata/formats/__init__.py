"""The formats of other tools that labels are read from and written to."""
