"""What is minimised at the answer positions, in float32 or float64: cross-entropy or StableMax."""
