"""What the figures mean: verdicts, and differences against noise."""
