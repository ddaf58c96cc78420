"""How positions look at earlier positions.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``D`` d_head, ``K`` keys.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from engine.models.gpt.layers import Projection
from engine.models.gpt.settings import DecoderSettings
from engine.models.positions import at_positions, hidden


class Attention(nn.Module):
    """Causal multi-head attention from `T` positions to the `A` that are read."""

    def __init__(self, settings: DecoderSettings, *, own_keys: bool = True) -> None:
        """`own_keys=False`: queries alone are projected, keys and values come from elsewhere."""
        super().__init__()
        self.n_heads = settings.n_heads
        self.d_head = settings.d_model // settings.n_heads
        C, bias = settings.d_model, settings.attention_bias
        self.c_attn = Projection(C, 3 * C if own_keys else C, bias=bias)
        self.c_proj = Projection(C, C, bias=bias)

    def split_heads(self, x: Float[Tensor, "B T E"]) -> Float[Tensor, "B H T D"]:
        """Queries, keys or values by head."""
        return x.unflatten(-1, (self.n_heads, self.d_head)).transpose(1, 2)

    def weigh(
        self, scores: Float[Tensor, "*scores"], mask: Bool[Tensor, "*mask"] | None, *, keys: int
    ) -> Float[Tensor, "*scores"]:
        """Scores to attention, in the weights' type: dimension `keys` sums to 1."""
        scores = scores.to(self.c_proj.weight.dtype) * self.d_head**-0.5
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        return scores.softmax(keys)

    def project(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, A, D), keys and values (B, H, T, D)."""
        q, k, v = self.c_attn(x, dtype).chunk(3, -1)
        return self.split_heads(at_positions(q, read)), self.split_heads(k), self.split_heads(v)

    def look(
        self, q: Float[Tensor, "B H A D"], k: Float[Tensor, "B H K D"], read: tuple[int, ...]
    ) -> Float[Tensor, "B H A K"]:
        """Attention in float32."""
        return self.weigh(q @ k.mT, hidden(k.shape[2], read, k.device), keys=3)

    def mix(
        self, weights: Float[Tensor, "B H A K"], v: Float[Tensor, "B H K D"], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What values, weighted by attention, add to the residual stream."""
        mixed = weights.to(dtype) @ v
        return self.c_proj(mixed.transpose(1, 2).flatten(2), dtype)

    def heads(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Attention (B, H, A, T) in float32 and values (B, H, T, D)."""
        q, k, v = self.project(x, read, dtype)
        return self.look(q, k, read), v

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        weights, v = self.heads(x, read, dtype)
        return self.mix(weights, v, dtype)
