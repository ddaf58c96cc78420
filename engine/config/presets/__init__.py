"""Which prepared experiments there are, and what each is expected to show (no torch)."""

from engine.config.presets.architectures import ARCHITECTURES
from engine.config.presets.facts import FACTS
from engine.config.presets.modular import MODULAR
from engine.config.presets.preset import Expectation, Preset

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (*MODULAR, *FACTS, *ARCHITECTURES)}
"""By name, in the order they are offered."""

__all__ = ["PRESETS", "Expectation", "Preset"]
