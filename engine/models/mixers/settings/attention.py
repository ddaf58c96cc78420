"""Softmax attention as one of several mixers of a hybrid."""

from typing import Literal

from engine.models.mixers.settings.stack import MixerSettings


class AttentionSettings(MixerSettings):
    """Causal softmax attention without biases.

    Source: Vaswani et al. 2017, section 3.2.
    """

    kind: Literal["attention"] = "attention"

    def mixer_parameters(self, length: int) -> int:
        """Queries, keys, values and output."""
        del length
        return 4 * self.d_model**2

    def mixer_products(self, length: int, n_read: int) -> int:
        """Projections, scores and mixing."""
        C = self.d_model
        return 2 * (length + n_read) * C * C + 2 * n_read * length * C
