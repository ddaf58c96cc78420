"""What the app, the command line and scripts call: one object, no torch, no database."""

from engine.client.lab import Lab
from engine.home import Home


def connect(home: Home | None = None) -> Lab:
    """The lab of a home (default: `$GROKKING_LAB_HOME`); its daemon starts at the first call."""
    return Lab(home or Home.from_environment())


__all__ = ["Lab", "connect"]
