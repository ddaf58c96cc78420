"""What is read off a run: onset, attention, chance."""
