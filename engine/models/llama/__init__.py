"""The LLaMA-style decoder: settings (no torch) and network."""
