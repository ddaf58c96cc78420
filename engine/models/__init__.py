"""Which architectures exist: the union of their settings (no torch; networks are in `build`)."""

from engine.models.gpt.settings import GPTSettings

ModelSettings = GPTSettings

__all__ = ["GPTSettings", "ModelSettings"]
