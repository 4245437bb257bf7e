"""Speed, accuracy, memory and energy of an artefact, and the machine's facts."""
