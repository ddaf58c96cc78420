"""What a panel becomes where it is written in bfloat16, to the bit."""

import numba
import numpy as np
import torch
from torch import Tensor

from engine.kernels.panels import WIDTH, keep, kept, load, store


@numba.njit
def _write(x, halves, pairs, back):
    for half in range(2):
        panel = load(x, half * WIDTH)
        store(halves, half * WIDTH, panel)
        keep(pairs, 0, panel, half)
    for half in range(2):
        store(back, half * WIDTH, kept(pairs, 0, half))


def _with_ties() -> Tensor:
    """Two panels, half of them numbers in the middle between two of bfloat16."""
    x = torch.randn(2 * WIDTH, generator=torch.Generator().manual_seed(0))
    x[::2] = (x[::2].clone().view(torch.int32) & ~0xFFFF | 0x8000).view(torch.float32)
    return x


def test_numbers_are_rounded_as_torch_rounds_them():
    x = _with_ties()
    wanted = x.bfloat16()
    halves, pairs = np.zeros(2 * WIDTH, np.uint16), np.zeros(WIDTH, np.uint32)
    back = np.zeros(2 * WIDTH, np.float32)
    _write(x.numpy(), halves, pairs, back)
    assert torch.equal(torch.from_numpy(halves.view(np.int16)).view(torch.bfloat16), wanted)
    assert torch.equal(torch.from_numpy(back), wanted.float())
