"""The decoder with learned memories: settings (no torch) and network."""
