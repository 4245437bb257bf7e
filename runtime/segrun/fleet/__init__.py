"""Many videos: a list, shares of it for several machines, and a receipt for each that is done."""
