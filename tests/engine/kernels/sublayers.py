"""What the sublayers' loops give, and how far that is from operations of torch."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.kernels.blocks import SHARE
from engine.kernels.threads import by_shares, in_any_order

TOLERANCE = {0: 2e-6, 1: 1e-2}
"""Of a matrix, by its length; in bfloat16 a factor is right to 2⁻⁹."""


def drawn(*shape: int, seed: int, scale: float = 1.0) -> np.ndarray:
    """Numbers of a normal distribution."""
    generator = np.random.default_rng([seed, *shape])
    return (scale * generator.normal(size=shape)).astype(np.float32)


def by_rows(part: Callable[[slice, int], None], n: int) -> None:
    """Let threads share rows as the network does."""
    by_shares(part, n, of=SHARE)


def do_all(tasks: Sequence[Callable[[], None]]) -> None:
    """Do what may be done in any order."""
    in_any_order(*tasks)


def leaves(*arrays: np.ndarray) -> list[Tensor]:
    """The same in float64, of which torch takes gradients."""
    return [torch.from_numpy(x).double().requires_grad_() for x in arrays]


def assert_near(found: np.ndarray, wanted: Tensor, paired: int) -> None:
    """Compare what loops found with what torch did."""
    difference = (torch.from_numpy(found).double() - wanted).norm()
    assert float(difference) <= TOLERANCE[paired] * float(wanted.norm())
