"""Mamba-2, whose heads decay as a whole: settings (no torch) and network."""
