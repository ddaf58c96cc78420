"""Which time steps of a recurrence are asked for.

Shapes: ``T`` time steps, ``A`` of them that are read, ``W`` any width.
"""

import torch
from jaxtyping import Shaped
from torch import Tensor


def at_times(
    x: Shaped[Tensor, "*heads T W"], read: tuple[int, ...]
) -> Shaped[Tensor, "*heads A W"]:
    """Some rows of the last matrices, by slices, which cost no index on the device."""
    if read == tuple(range(read[0], read[0] + len(read))):
        return x[..., read[0] : read[0] + len(read), :]
    return torch.stack([x[..., step, :] for step in read], dim=-2)
