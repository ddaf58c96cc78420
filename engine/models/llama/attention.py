"""How positions look at earlier positions, with rotary positions and grouped queries.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` query heads,
``G`` heads of keys and values, ``D`` d_head.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from engine.models.llama.layers import Linear, rotated
from engine.models.llama.settings import LlamaSettings
from engine.models.positions import at_positions, hidden


class Attention(nn.Module):
    """Causal grouped-query attention from `T` positions to the `A` that are read."""

    def __init__(self, settings: LlamaSettings) -> None:
        super().__init__()
        C, D, G = settings.d_model, settings.d_head, settings.key_heads
        self.d_head, self.key_heads, self.rope_base = D, G, settings.rope_base
        self.q_proj = Linear(C, C)
        self.k_proj = Linear(C, G * D)
        self.v_proj = Linear(C, G * D)
        self.o_proj = Linear(C, C)

    def project(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, A, H·D) at the positions `read`, keys and values (B, T, G·D)."""
        return (
            self.q_proj(at_positions(x, read), dtype),
            self.k_proj(x, dtype),
            self.v_proj(x, dtype),
        )

    def by_head(self, x: Float[Tensor, "B T E"]) -> Tensor:
        """(B, heads, T, D), in the weights' type."""
        return x.to(self.o_proj.weight.dtype).unflatten(-1, (-1, self.d_head)).transpose(1, 2)

    def weigh(
        self,
        q: Float[Tensor, "B A E"],
        k: Float[Tensor, "B T G"],
        read: tuple[int, ...],
        dtype: torch.dtype,
    ) -> Float[Tensor, "B H A T"]:
        """Attention in the weights' type: each row sums to 1 over the past."""
        A, T = q.shape[1], k.shape[1]
        queries = rotated(self.by_head(q), read, self.rope_base).to(dtype)
        keys = rotated(self.by_head(k), tuple(range(T)), self.rope_base).to(dtype)
        grouped = queries.unflatten(1, (self.key_heads, -1)).flatten(2, 3)
        scores = (grouped @ keys.mT).unflatten(2, (-1, A)).flatten(1, 2)
        scores = scores.to(self.o_proj.weight.dtype) * self.d_head**-0.5
        mask = hidden(T, read, q.device)
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        return scores.softmax(-1)

    def forward(
        self, parts: tuple[Tensor, Tensor, Tensor], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What queries, keys and values, as `project` gives them, add to the residual stream."""
        q, k, v = parts
        weights = self.weigh(q, k, read, dtype).to(dtype)
        grouped = weights.unflatten(1, (self.key_heads, -1)).flatten(2, 3)
        mixed = grouped @ self.by_head(v).to(dtype)
        mixed = mixed.unflatten(2, (-1, q.shape[1])).flatten(1, 2)
        return self.o_proj(mixed.transpose(1, 2).flatten(2), dtype)
