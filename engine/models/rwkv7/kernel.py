"""How a state that decays, unlearns and learns is asked at all positions at once.

Shapes: ``B`` examples, ``H`` heads, ``T`` tokens, ``A`` read positions, ``D`` d_head.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from engine.models.positions import at_positions

LONG = 32
"""Rows of more tokens are read out in float64.

On one repeated token, gradients through float32 are off by 1e-5 of their scale at 32 tokens, and
by 3e-4 at 64; with float64 in the solve alone by 1e-4.
"""


def generalised_delta_rule(
    asked: Float[Tensor, "B H A D"],
    log_decay: Float[Tensor, "B H T D"],
    keys: Float[Tensor, "B H T D"],
    values: Float[Tensor, "B H T D"],
    removed: Float[Tensor, "B H T D"],
    replaced: Float[Tensor, "B H T D"],
    read: tuple[int, ...],
) -> Float[Tensor, "B H A D"]:
    """`asked`ₜ · Sₜ at the positions `read`, from S₀ = 0.

    Sₜ = diag(exp(`log_decay`ₜ)) Sₜ₋₁ + `replaced`ₜ (`removed`ₜᵀ Sₜ₋₁) + `keys`ₜ `values`ₜᵀ.

    What is read out of the state for replacement obeys a unit triangular system, which is solved
    and never inverted: repeated keys make the inverse's series explode. Decays are split between
    the two factors of each score, halfway through the row; for RWKV-7's decays, no smaller than
    exp(−0.61), no factor overflows up to T of 280.

    Source: Peng et al. 2025, equation 18; Yang et al. 2024 (the solved form).
    """
    T, A, own = log_decay.shape[2], len(read), values.dtype
    if T > LONG:
        asked, log_decay, keys, values, removed, replaced = (
            each.double() for each in (asked, log_decay, keys, values, removed, replaced)
        )
    after = log_decay.cumsum(2)
    middle = after[:, :, -1:] / 2
    before = after - log_decay - middle
    after = after - middle
    reach = at_positions(after.transpose(1, 2), read).transpose(1, 2)
    queries = torch.cat([asked * reach.exp(), removed * before.exp()], 2)
    written = torch.cat([keys, replaced], 2) * torch.cat([-after, -after], 2).exp()
    scores = (queries @ written.mT).unflatten(-1, (2, T))
    steps = torch.arange(T, device=values.device)
    later = torch.stack([steps > t for t in read])
    to_asked = scores[:, :, :A].masked_fill(later.unsqueeze(1), 0.0)
    to_removed = scores[:, :, A:].masked_fill((steps >= steps[:, None]).unsqueeze(1), 0.0)
    system = torch.eye(T, device=values.device, dtype=values.dtype) - to_removed[:, :, :, 1]
    given = to_removed[:, :, :, 0] @ values
    found = torch.linalg.solve_triangular(system, given, upper=False, unitriangular=True)
    return (to_asked[:, :, :, 0] @ values + to_asked[:, :, :, 1] @ found).to(own)
