"""Which linear attention is built."""

from typing import Literal

from pydantic import model_validator

from engine.models.mixers.settings.stack import MixerSettings


class LinearAttentionSettings(MixerSettings):
    """Attention whose softmax is replaced by a feature map, which makes it a linear recurrence.

    Source: Katharopoulos et al. 2020 (normaliser "sum"); Qin et al. 2022 (normaliser "rms").
    """

    kind: Literal["linear_attention"] = "linear_attention"
    positions: Literal["none", "learned"] = "learned"
    """What is added to tell a token its place; the mixer itself knows no order of the past."""
    feature_map: Literal["elu", "relu", "identity"] = "elu"
    """What queries and keys pass: elu(x) + 1, which is positive, relu(x), or x itself."""
    normaliser: Literal["sum", "rms"] = "sum"
    """Whether weights are divided by their sum, or each head's output has its own RMSNorm."""

    @model_validator(mode="after")
    def _sums_are_positive(self) -> "LinearAttentionSettings":
        if self.normaliser == "sum" and self.feature_map != "elu":
            raise ValueError(
                f'normaliser "sum" needs positive weights, so feature_map must be "elu", got '
                f'"{self.feature_map}"; or set normaliser to "rms"'
            )
        return self

    def mixer_parameters(self, length: int) -> int:
        """Queries, keys, values, output and the heads' norm."""
        del length
        norm = self.d_model // self.n_heads if self.normaliser == "rms" else 0
        return 4 * self.d_model**2 + norm

    def mixer_products(self, length: int, n_read: int) -> int:
        """Projections, scores and mixing."""
        C = self.d_model
        return 2 * (length + n_read) * C * C + 2 * n_read * length * C
