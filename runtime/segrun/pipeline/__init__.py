"""Reading, inference, drawing and writing at the same time."""
