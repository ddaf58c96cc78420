"""Which positions of a row are carried on, and which of them may look at which.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions.
"""

from functools import cache

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor


def at_positions(x: Shaped[Tensor, "B T *rest"], read: tuple[int, ...]) -> Tensor:
    """Some positions of x, (B, A, …).

    By slices, since an index tensor would have to be sent to the device in every step.
    """
    if read == tuple(range(read[0], read[0] + len(read))):
        return x[:, read[0] : read[0] + len(read)]
    return torch.stack([x[:, position] for position in read], dim=1)


def hidden(T: int, read: tuple[int, ...], device: torch.device) -> Bool[Tensor, "A T"] | None:
    """Which keys lie after each query; None when there are none."""
    if min(read) >= T - 1:
        return None
    keys = torch.arange(T, device=device)
    return torch.stack([keys > position for position in read])


@cache
def unseen_from(read: tuple[int, ...], T: int) -> Bool[Tensor, "A T"]:
    """`hidden`, in words that loops understand, on the CPU."""
    mask = hidden(T, read, torch.device("cpu"))
    return torch.zeros(len(read), T, dtype=torch.bool) if mask is None else mask
