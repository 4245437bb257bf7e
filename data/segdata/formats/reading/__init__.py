"""Labels as other tools write them, into regions of images."""
