"""How a position asks a large table of values by product keys.

Shapes: ``C`` d_model, ``H`` queries, ``E`` their width, ``n`` sub-keys, ``k`` answers.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from engine.models.gpt.layers import Norm, Projection, Weight
from engine.models.memory.settings import MemorySettings


class ProductKeys(nn.Module):
    """A memory in an MLP's place: n² values, of which each query finds the best k.

    A value's score is the sum of two halves' scores, so that its best k are among k² sums.
    Queries go through a LayerNorm, where the paper has a BatchNorm: examples stay independent.
    What is chosen is decided in the weights' type: rounding a query would change the choice.

    Source: Lample et al. 2019, section 3.
    """

    def __init__(self, settings: MemorySettings) -> None:
        super().__init__()
        H, E, n = settings.n_memory_heads, settings.d_memory_query, settings.n_sub_keys
        self.n_heads, self.n_sub_keys, self.top_k = H, n, settings.top_k
        self.query = Projection(settings.d_model, H * E, bias=False)
        self.ln_query = Norm(E)
        self.keys = nn.Parameter(torch.empty(H, 2, n, E // 2))
        self.values = Weight(n * n, settings.d_model)

    def forward(self, x: Float[Tensor, "B A C"], dtype: torch.dtype) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream."""
        k, table = self.top_k, self.values.weight
        asked = self.query(x, table.dtype).unflatten(-1, (self.n_heads, -1))
        halves = self.ln_query(asked).unflatten(-1, (2, -1))
        best, at = torch.einsum("bahsd,hsnd->bahsn", halves, self.keys).topk(k, dim=-1)
        sums = best[..., 0, :, None] + best[..., 1, None, :]
        top, chosen = sums.flatten(-2).topk(k, dim=-1)
        first = at[..., 0, :].gather(-1, chosen // k)
        second = at[..., 1, :].gather(-1, chosen % k)
        index = (first * self.n_sub_keys + second).flatten(2)
        found = table.index_select(0, index.reshape(-1)).view(*index.shape, -1)
        weights = top.softmax(-1).flatten(2).unsqueeze(2)
        return (weights.to(dtype) @ found.to(dtype)).squeeze(2)
