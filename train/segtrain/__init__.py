"""Training: the UNet, its loop and its checkpoints."""
