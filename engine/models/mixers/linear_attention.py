"""How positions read a memory of sums instead of a softmax.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from engine.models.mixers.layers import Linear, RMSNorm
from engine.models.mixers.mixer import Mixer, join_heads, split_heads
from engine.models.mixers.settings.linear_attention import LinearAttentionSettings
from engine.models.positions import at_positions
from engine.models.recurrences.linear import linear_weights, shares


def _elu_plus_one(x: Tensor) -> Tensor:
    """exp(x) below 0, which stays positive where elu(x) + 1 rounds to 0."""
    return torch.where(x > 0, x + 1, x.clamp(max=0).exp())


def _identity(x: Tensor) -> Tensor:
    return x


FEATURES: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": _elu_plus_one,
    "relu": F.relu,
    "identity": _identity,
}


class LinearAttention(Mixer):
    """Weights φ(q)·φ(k), shared out over the past, or left to the heads' norm.

    Source: Katharopoulos et al. 2020, section 3.2; Qin et al. 2022 for the norm.
    """

    def __init__(self, settings: LinearAttentionSettings, *, length: int) -> None:
        super().__init__()
        del length
        C, self.n_heads = settings.d_model, settings.n_heads
        self.features = FEATURES[settings.feature_map]
        self.has_maps = settings.normaliser == "sum"
        self.q_proj = Linear(C, C)
        self.k_proj = Linear(C, C)
        self.v_proj = Linear(C, C)
        if settings.normaliser == "rms":
            self.norm = RMSNorm(C // self.n_heads)
        self.o_proj = Linear(C, C)

    def weights(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...]
    ) -> Float[Tensor, "B H A T"]:
        """The weight of each position; 0 for the future."""
        q = self.features(self.q_proj(at_positions(x, read)))
        k = self.features(self.k_proj(x))
        q, k = split_heads(q, self.n_heads), split_heads(k, self.n_heads)
        weights = linear_weights(q * q.shape[-1] ** -0.5, k, read)
        return shares(weights) if self.has_maps else weights

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        v = split_heads(self.v_proj(x), self.n_heads)
        mixed = self.weights(x, read) @ v
        return self.o_proj(join_heads(mixed if self.has_maps else self.norm(mixed)), dtype)

    def maps(self, x: Float[Tensor, "B T C"], dtype: torch.dtype) -> Float[Tensor, "B H T T"]:
        """Row t is what position t takes of each position."""
        del dtype
        return self.weights(x, tuple(range(x.shape[1])))
