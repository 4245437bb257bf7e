"""INT8: ranges, Q/DQ, and what stays float."""
