"""What a run is made of: its settings, overrides and presets (no torch)."""
