"""Video files: reading, times, colours, writing."""
