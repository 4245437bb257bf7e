"""What training minimises, and how fast it goes about it."""
