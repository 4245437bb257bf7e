"""seg-export inspect."""
