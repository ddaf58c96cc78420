"""Linear attention: S_t = S_{t-1} + k_t v_t^T, o_t = S_t^T q_t.

Shapes: ``T`` time steps, ``A`` of them that are read, ``K`` key width, ``D`` value width.
Source: Katharopoulos et al. 2020, equations 8 to 12.
"""

from jaxtyping import Float
from torch import Tensor

from engine.models.positions import hidden

FLOOR = 1e-10
"""Added to a sum of weights before something is divided by it."""


def linear_weights(
    q: Float[Tensor, "*heads A K"], k: Float[Tensor, "*heads T K"], read: tuple[int, ...]
) -> Float[Tensor, "*heads A T"]:
    """The weight of every time step for the queries at the steps `read`; 0 for the future."""
    weights, mask = q @ k.mT, hidden(k.shape[-2], read, k.device)
    return weights if mask is None else weights.masked_fill(mask, 0.0)


def shares(weights: Float[Tensor, "*heads A T"]) -> Float[Tensor, "*heads A T"]:
    """Weights that are not negative, divided by their sum."""
    return weights / (weights.sum(-1, keepdim=True) + FLOOR)


def linear_attention(
    q: Float[Tensor, "*heads A K"],
    k: Float[Tensor, "*heads T K"],
    v: Float[Tensor, "*heads T D"],
    read: tuple[int, ...],
) -> Float[Tensor, "*heads A D"]:
    """Outputs at the steps `read` as one masked product, not normalised."""
    return linear_weights(q, k, read) @ v
