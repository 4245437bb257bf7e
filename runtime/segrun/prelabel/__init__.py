"""Which frames are worth labelling, and their labels as a model sees them, ready to be corrected."""
