"""A memory that fades at one rate for each head: S_t = exp(g_t) S_{t-1} + k_t v_t^T.

Shapes: ``T`` time steps, ``A`` of them that are read, ``K`` key width, ``D`` value width.
Source: Sun et al. 2023 (RetNet), equation 5; Dao and Gu 2024 (Mamba-2), section 3.
"""

from jaxtyping import Float
from torch import Tensor

from engine.models.positions import hidden
from engine.models.recurrences.times import at_times


def decay_since(
    log_decay: Float[Tensor, "*heads T"], read: tuple[int, ...]
) -> Float[Tensor, "*heads A T"]:
    """What is left at the steps `read` of what was written at each step; 0 for the future.

    The future is hidden before the exponential, so that no exponent is positive and no gradient
    is an infinity times nothing.
    """
    so_far = log_decay.cumsum(-1).unsqueeze(-1)
    exponents = at_times(so_far, read) - so_far.mT
    mask = hidden(log_decay.shape[-1], read, log_decay.device)
    if mask is not None:
        exponents = exponents.masked_fill(mask, float("-inf"))
    return exponents.exp()


def scalar_decay(
    q: Float[Tensor, "*heads A K"],
    k: Float[Tensor, "*heads T K"],
    v: Float[Tensor, "*heads T D"],
    log_decay: Float[Tensor, "*rates T"],
    read: tuple[int, ...],
) -> Float[Tensor, "*heads A D"]:
    """Outputs at the steps `read`; `log_decay` ≤ 0 may leave out leading dimensions."""
    return (q @ k.mT * decay_since(log_decay, read)) @ v
