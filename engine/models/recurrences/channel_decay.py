"""A memory whose key channels fade at their own rates: S_t = diag(exp(g_t)) S_{t-1} + k_t v_t^T.

Shapes: ``T`` time steps, ``A`` of them that are read, ``K`` key width, ``D`` value width.
Source: Yang et al. 2023 (Gated Linear Attention), sections 4.1 to 4.3.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from engine.models.positions import hidden
from engine.models.recurrences.chunk import CHUNK
from engine.models.recurrences.times import at_times

STRONGEST = -20.0
"""Log decays below count as this: 2e-9 is forgotten, and CHUNK of them stay inside float32."""


def channel_decay(
    q: Float[Tensor, "*heads A K"],
    k: Float[Tensor, "*heads T K"],
    v: Float[Tensor, "*heads T D"],
    log_decay: Float[Tensor, "*heads T K"],
    read: tuple[int, ...],
) -> Float[Tensor, "*heads A D"]:
    """Outputs at the steps `read`, chunk by chunk with the state carried between; g ≤ 0."""
    log_decay = log_decay.clamp(min=STRONGEST)
    found: dict[int, Tensor] = {}
    state: Tensor | None = None
    for start in range(0, k.shape[-2], CHUNK):
        here = slice(start, start + CHUNK)
        keys, values = k[..., here, :], v[..., here, :]
        so_far = log_decay[..., here, :].cumsum(-2)
        asked = [n for n, step in enumerate(read) if start <= step < start + CHUNK]
        if asked:
            steps = tuple(read[n] - start for n in asked)
            queries = at_times(q, tuple(asked))
            out = _within(queries, keys, so_far, steps) @ values
            if state is not None:
                out = out + (queries * at_times(so_far, steps).exp()) @ state
            found.update(zip(asked, out.unbind(-2), strict=True))
        if start + CHUNK <= max(read):
            state = _carried(state, keys, values, so_far)
    return torch.stack([found[n] for n in range(len(read))], dim=-2)


def _within(
    queries: Float[Tensor, "*heads A K"],
    keys: Float[Tensor, "*heads T K"],
    so_far: Float[Tensor, "*heads T K"],
    steps: tuple[int, ...],
) -> Float[Tensor, "*heads A T"]:
    """Weights inside one chunk.

    exp(G_t - G_s) is split at the chunk's middle, which halves the largest exponent. Where s > t
    the product may overflow; it is replaced, not multiplied, and gives no gradient.
    """
    middle = ((so_far[..., :1, :] + so_far[..., -1:, :]) / 2).detach()
    late = queries * (at_times(so_far, steps) - middle).exp()
    early = keys * (middle - so_far).exp()
    weights, mask = late @ early.mT, hidden(keys.shape[-2], steps, keys.device)
    return weights if mask is None else weights.masked_fill(mask, 0.0)


def _carried(
    state: Tensor | None,
    keys: Float[Tensor, "*heads T K"],
    values: Float[Tensor, "*heads T D"],
    so_far: Float[Tensor, "*heads T K"],
) -> Float[Tensor, "*heads K D"]:
    """The state after a chunk, from the one before it."""
    end = so_far[..., -1:, :]
    written = (keys * (end - so_far).exp()).mT @ values
    return written if state is None else end.mT.exp() * state + written
