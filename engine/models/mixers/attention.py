"""How positions look at earlier positions by softmax.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from engine.models.mixers.layers import Linear
from engine.models.mixers.mixer import Mixer, join_heads, split_heads
from engine.models.mixers.settings.attention import AttentionSettings
from engine.models.positions import at_positions, hidden


class Attention(Mixer):
    """Causal softmax attention."""

    has_maps = True

    def __init__(self, settings: AttentionSettings, *, length: int) -> None:
        super().__init__()
        del length
        C, self.n_heads = settings.d_model, settings.n_heads
        self.q_proj = Linear(C, C)
        self.k_proj = Linear(C, C)
        self.v_proj = Linear(C, C)
        self.o_proj = Linear(C, C)

    def weights(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B H A T"]:
        """The share of each position; 0 for the future."""
        q = split_heads(self.q_proj(at_positions(x, read), dtype), self.n_heads)
        k = split_heads(self.k_proj(x, dtype), self.n_heads)
        scores = q @ k.mT * q.shape[-1] ** -0.5
        mask = hidden(x.shape[1], read, x.device)
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        return scores.softmax(-1)

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        v = split_heads(self.v_proj(x, dtype), self.n_heads)
        return self.o_proj(join_heads(self.weights(x, read, dtype) @ v), dtype)

    def maps(self, x: Float[Tensor, "B T C"], dtype: torch.dtype) -> Float[Tensor, "B H T T"]:
        """Row t is where position t looks."""
        return self.weights(x, tuple(range(x.shape[1])), dtype)
