"""The recurrences as their papers state them: one step after another, one state."""

import torch
from torch import Tensor


def slowly(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    decay: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """Outputs (B, H, T, D) of the memory S, which `decay` (B, H, T, K or 1) shrinks.

    Without `beta` the memory adds k v^T; with it, it moves the value it holds for k towards v.
    """
    state = torch.zeros(*k.shape[:2], k.shape[-1], v.shape[-1], dtype=v.dtype)
    outputs: list[Tensor] = []
    for t in range(k.shape[2]):
        if decay is not None:
            state = decay[:, :, t].unsqueeze(-1) * state
        written = v[:, :, t]
        if beta is not None:
            held = torch.einsum("bhkd,bhk->bhd", state, k[:, :, t])
            written = beta[:, :, t].unsqueeze(-1) * (written - held)
        state = state + torch.einsum("bhk,bhd->bhkd", k[:, :, t], written)
        outputs.append(torch.einsum("bhkd,bhk->bhd", state, q[:, :, t]))
    return torch.stack(outputs, dim=2)
