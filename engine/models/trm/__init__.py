"""The two-level recursive net: settings (no torch) and network."""
