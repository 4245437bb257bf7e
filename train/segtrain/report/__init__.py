"""What a run leaves for people: figures, plots, panels, a folder."""
