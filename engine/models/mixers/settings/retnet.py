"""Which RetNet is built."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.models.mixers.settings.expanded import ExpandedSettings


class RetNetSettings(ExpandedSettings):
    """Multi-scale retention: rotated queries and keys, and a fixed decay for each head.

    Source: Sun et al. 2023, section 2; scores are scaled as in flash-linear-attention, without
    the three normalisations of section 2.3, which the heads' norm undoes.
    """

    kind: Literal["retnet"] = "retnet"
    expand_v: Annotated[float, Field(ge=0.125, le=4.0)] = 2.0
    """Width of all heads' values, as a multiple of d_model."""

    @model_validator(mode="after")
    def _keys_can_be_rotated(self) -> "RetNetSettings":
        d_head = self.d_key // self.n_heads
        if d_head % 2:
            raise ValueError(
                f"expand_k times d_model divided by n_heads must be even, because keys are "
                f"rotated in pairs, got {self.d_key} / {self.n_heads} = {d_head}; "
                f"change n_heads or d_model"
            )
        return self

    def mixer_parameters(self, length: int) -> int:
        """Queries, keys, values, gate, output and the heads' norm."""
        del length
        return self.d_model * (2 * self.d_key + 3 * self.d_value) + self.d_value // self.n_heads

    def mixer_products(self, length: int, n_read: int) -> int:
        """Projections, scores and mixing."""
        K, D = self.d_key, self.d_value
        projections = length * (K + D) + n_read * (K + 2 * D)
        return self.d_model * projections + n_read * length * (K + D)
