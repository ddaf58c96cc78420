"""What is minimised: cross-entropy at the answer positions, in float32 or float64."""
