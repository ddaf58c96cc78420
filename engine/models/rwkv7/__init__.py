"""RWKV-7, whose state unlearns before it learns: settings (no torch) and network."""
