"""The decoder whose layers are run several times or share parts: settings (no torch), network."""
