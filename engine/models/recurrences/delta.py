"""A memory that corrects itself: S_t = a_t S_{t-1} + β_t k_t (v_t - a_t S_{t-1}^T k_t)^T.

What is really written, u_t = β_t (v_t - a_t S_{t-1}^T k_t), solves a triangular system over the
row: (I + strict_tril(β K K^T ∘ D)) U = β V, and the outputs are those of a memory of U. The
system is solved by substitution: repeated tokens give identical keys, for which an inverse by
products of powers loses every digit.

Shapes: ``T`` time steps, ``A`` of them that are read, ``K`` key width, ``D`` value width.
Source: Yang et al. 2024 (DeltaNet), section 3; Yang et al. 2024 (Gated DeltaNet), section 3.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from engine.models.recurrences.linear import linear_weights
from engine.models.recurrences.scalar_decay import decay_since


def delta_rule(
    q: Float[Tensor, "*heads A K"],
    k: Float[Tensor, "*heads T K"],
    v: Float[Tensor, "*heads T D"],
    beta: Float[Tensor, "*heads T"],
    read: tuple[int, ...],
) -> Float[Tensor, "*heads A D"]:
    """Outputs at the steps `read` of a memory that does not fade (a_t = 1)."""
    return linear_weights(q, k, read) @ _written(k @ k.mT, v, beta)


def gated_delta_rule(
    q: Float[Tensor, "*heads A K"],
    k: Float[Tensor, "*heads T K"],
    v: Float[Tensor, "*heads T D"],
    beta: Float[Tensor, "*heads T"],
    log_decay: Float[Tensor, "*heads T"],
    read: tuple[int, ...],
) -> Float[Tensor, "*heads A D"]:
    """Outputs at the steps `read`; a_t = exp(log_decay_t), log_decay ≤ 0."""
    everywhere = tuple(range(k.shape[-2]))
    written = _written(k @ k.mT * decay_since(log_decay, everywhere), v, beta)
    return (q @ k.mT * decay_since(log_decay, read)) @ written


def _written(
    overlaps: Float[Tensor, "*heads T T"],
    v: Float[Tensor, "*heads T D"],
    beta: Float[Tensor, "*heads T"],
) -> Float[Tensor, "*heads T D"]:
    """What each step really writes, once what is already remembered is taken off."""
    beta = beta.unsqueeze(-1)
    seen = (beta * overlaps).tril(-1)
    return torch.linalg.solve_triangular(seen, beta * v, upper=False, unitriangular=True)
