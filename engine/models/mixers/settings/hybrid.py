"""Which mixers a hybrid stacks."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from engine.models.mixers.settings.attention import AttentionSettings
from engine.models.mixers.settings.borrowed import (
    Mamba2LayerSettings,
    MambaLayerSettings,
    RWKV4LayerSettings,
    RWKV7LayerSettings,
)
from engine.models.mixers.settings.deltanet import DeltaNetSettings
from engine.models.mixers.settings.gated_deltanet import GatedDeltaNetSettings
from engine.models.mixers.settings.gla import GLASettings
from engine.models.mixers.settings.linear_attention import LinearAttentionSettings
from engine.models.mixers.settings.retnet import RetNetSettings
from engine.models.mixers.settings.stack import MixerSettings, StackSettings

MixerName = Literal[
    "attention",
    "linear_attention",
    "retnet",
    "gla",
    "deltanet",
    "gated_deltanet",
    "mamba",
    "mamba2",
    "rwkv4",
    "rwkv7",
]

LAYERS: Mapping[str, type[MixerSettings]] = {
    "attention": AttentionSettings,
    "linear_attention": LinearAttentionSettings,
    "retnet": RetNetSettings,
    "gla": GLASettings,
    "deltanet": DeltaNetSettings,
    "gated_deltanet": GatedDeltaNetSettings,
    "mamba": MambaLayerSettings,
    "mamba2": Mamba2LayerSettings,
    "rwkv4": RWKV4LayerSettings,
    "rwkv7": RWKV7LayerSettings,
}
"""The settings of one layer, by the name of its mixer."""


class HybridSettings(StackSettings):
    """Layers of different mixers in one stack; each mixer has its own kind's defaults.

    Source: Lieber et al. 2024 (Jamba) and Yang et al. 2024 (Gated DeltaNet), section 3.4, for
    the interleaving.
    """

    kind: Literal["hybrid"] = "hybrid"
    n_layers: Annotated[int, Field(ge=1, le=48)] = 2
    """Blocks of mixer and MLP."""
    mixers: Annotated[tuple[MixerName, ...], Field(min_length=1, max_length=48)] = (
        "gated_deltanet",
        "attention",
    )
    """The mixer of each layer, first to last; begins anew where there are more layers.

    Known are attention, linear_attention, retnet, gla, deltanet, gated_deltanet, mamba, mamba2,
    rwkv4 and rwkv7, the last two without their channel mixing. mamba and rwkv4 have no heads.
    """
    positions: Literal["none", "learned"] = "learned"
    """What is added to tell a token its place; attention itself knows no order."""

    @field_validator("mixers", mode="before")
    @classmethod
    def _as_typed(cls, mixers: object) -> object:
        """Names with commas between them, as a form or a command line has them."""
        if isinstance(mixers, str):
            mixers = [name.strip() for name in mixers.split(",")]
        if isinstance(mixers, list | tuple):
            for name in mixers:
                if name not in LAYERS:
                    known = ", ".join(LAYERS)
                    raise ValueError(f"mixers may name {known}, got '{name}'; name those alone")
        return mixers

    @model_validator(mode="after")
    def _every_mixer_has_a_layer(self) -> "HybridSettings":
        if len(self.mixers) > self.n_layers:
            raise ValueError(
                f"mixers must name at most n_layers ({self.n_layers}) mixers, "
                f"got {len(self.mixers)}; raise n_layers or name fewer"
            )
        for name in dict.fromkeys(self.mixers):
            self._check_width(name)
        return self

    def _check_width(self, name: MixerName) -> None:
        """Heads share a mixer's keys and values, whose widths only the mixer's own kind sets."""
        if self._fits(name, self.n_heads):
            return
        possible = ", ".join(str(n) for n in range(1, 65) if self._fits(name, n))
        if not possible:
            raise ValueError(
                f"d_model must be even where mixers name {name}, got {self.d_model}; "
                f"give {self.d_model - 1} or {self.d_model + 1}"
            )
        raise ValueError(
            f"n_heads must be one of {possible} where mixers name {name} and d_model is "
            f"{self.d_model}, got {self.n_heads}; give one of these or another d_model"
        )

    def _fits(self, name: MixerName, n_heads: int) -> bool:
        try:
            LAYERS[name](d_model=self.d_model, n_heads=n_heads)
        except ValidationError:
            return False
        return True

    def layers(self) -> tuple[MixerSettings, ...]:
        """The settings of each layer's mixer, first to last."""
        shared = {name: getattr(self, name) for name in StackSettings.model_fields}
        names = [self.mixers[n % len(self.mixers)] for n in range(self.n_layers)]
        return tuple(LAYERS[name](**shared) for name in names)
