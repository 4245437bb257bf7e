"""The networks that can be trained, and where they start from."""
