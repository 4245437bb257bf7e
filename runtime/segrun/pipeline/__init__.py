"""Reading, running, drawing and writing at the same time."""
