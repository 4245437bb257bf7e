"""Single images: their size, how they are read from files and resized."""
