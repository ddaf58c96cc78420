"""Which mixer each layer has and how wide it is (no torch)."""
