"""Losses, learning-rate schedule, distillation and number formats."""
