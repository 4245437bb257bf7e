"""What is drawn into a frame."""
