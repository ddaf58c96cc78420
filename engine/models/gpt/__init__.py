"""The GPT-style decoder: settings (no torch) and network."""
