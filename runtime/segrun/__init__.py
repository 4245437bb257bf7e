"""Runtime: runners, and video in and out. Needs no PyTorch."""
