"""How wide keys and values are where they need not be as wide as the residual stream."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.models.mixers.settings.stack import MixerSettings


class ExpandedSettings(MixerSettings):
    """A mixer with its own widths for keys and values."""

    expand_k: Annotated[float, Field(ge=0.125, le=4.0)] = 1.0
    """Width of all heads' keys (and queries), as a multiple of d_model."""
    expand_v: Annotated[float, Field(ge=0.125, le=4.0)] = 1.0
    """Width of all heads' values, as a multiple of d_model."""

    @property
    def d_key(self) -> int:
        """Width of all heads' keys."""
        return round(self.expand_k * self.d_model)

    @property
    def d_value(self) -> int:
        """Width of all heads' values."""
        return round(self.expand_v * self.d_model)

    @model_validator(mode="after")
    def _heads_share_keys_and_values(self) -> "ExpandedSettings":
        self._check_split("expand_k", self.expand_k)
        self._check_split("expand_v", self.expand_v)
        return self

    def _check_split(self, name: Literal["expand_k", "expand_v"], factor: float) -> None:
        width = factor * self.d_model
        if abs(width - round(width)) > 1e-9 or round(width) % self.n_heads:
            raise ValueError(
                f"{name} times d_model must be a multiple of n_heads ({self.n_heads}), "
                f"got {factor} · {self.d_model} = {width:g}; make d_model a multiple of "
                f"n_heads / {name}, or set {name} to 1"
            )
