"""Which architectures exist: the union of their settings (no torch; networks are in `build`)."""

from typing import Annotated

from pydantic import Field

from engine.models.gpt.settings import GPTSettings
from engine.models.mixers.settings.deltanet import DeltaNetSettings
from engine.models.mixers.settings.gated_deltanet import GatedDeltaNetSettings
from engine.models.mixers.settings.gla import GLASettings
from engine.models.mixers.settings.hybrid import HybridSettings
from engine.models.mixers.settings.linear_attention import LinearAttentionSettings
from engine.models.mixers.settings.retnet import RetNetSettings

ModelSettings = Annotated[
    GPTSettings
    | LinearAttentionSettings
    | RetNetSettings
    | GLASettings
    | DeltaNetSettings
    | GatedDeltaNetSettings
    | HybridSettings,
    Field(discriminator="kind"),
]

__all__ = [
    "DeltaNetSettings",
    "GLASettings",
    "GPTSettings",
    "GatedDeltaNetSettings",
    "HybridSettings",
    "LinearAttentionSettings",
    "ModelSettings",
    "RetNetSettings",
]
