"""The standard table of a machine, packed into one file to send, and added to the results on the other side."""
