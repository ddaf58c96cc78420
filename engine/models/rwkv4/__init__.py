"""RWKV-4, a weighted average that forgets: settings (no torch) and network."""
