"""Numbers that look drawn and depend on a key and a place alone, in one pass.

Torch takes them by a dozen operations on whole tensors (`engine.models.dropout.even`), which for a
small network costs as much as its layers.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.kernels.compiled import compiled


def even_by_loops(key: int, shape: torch.Size) -> Float[Tensor, "*shape"]:
    """`engine.models.dropout.even` on the CPU, to the bit; `key` lies below 2³²."""
    numbers = torch.empty(shape)
    _even(np.uint64(key), numbers.view(-1).numpy())
    return numbers


@compiled
def _even(key: int, numbers: np.ndarray) -> None:
    word32, first, second = np.uint64(0xFFFF_FFFF), np.uint64(0x7FEB_352D), np.uint64(0x846C_A68B)
    fine, coarse, eight = np.uint64(15), np.uint64(16), np.uint64(8)
    step = np.float32(2.0**-24)
    for i in range(len(numbers)):
        word = np.uint64(i) ^ key
        word = ((word ^ (word >> coarse)) * first) & word32
        word = ((word ^ (word >> fine)) * second) & word32
        word = ((word ^ (word >> coarse)) + key) & word32
        word = ((word ^ (word >> coarse)) * first) & word32
        word = ((word ^ (word >> fine)) * second) & word32
        word = word ^ (word >> coarse)
        numbers[i] = np.float32(word >> eight) * step
