"""Data: label spaces, the model spec, datasets, metrics, synthetic scenes."""
