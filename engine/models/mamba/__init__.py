"""Mamba, the selective state-space model: settings (no torch) and network."""
