"""Short rows eight numbers at a time, against NumPy."""

import numpy as np
import pytest

from engine.kernels.compiled import compiled
from engine.kernels.octets import WIDTH, add_scaled, dot


@compiled
def _dot(x, at_x, y, at_y, n):
    return dot(x, at_x, y, at_y, n)


@compiled
def _add(x, at_x, scale, y, at_y, n):
    add_scaled(x, at_x, scale, y, at_y, n)


def _drawn(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(4, 3 * WIDTH)).astype(np.float32)


@pytest.mark.parametrize("n", [0, 1, WIDTH - 1, WIDTH, WIDTH + 3, 2 * WIDTH])
def test_a_dot_takes_so_many_numbers_of_each(n: int):
    x, y = _drawn(0), _drawn(1)
    wanted = x.ravel()[5 : 5 + n] @ y.ravel()[30 : 30 + n]
    assert _dot(x, 5, y, 30, n) == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("n", [0, 1, WIDTH - 1, WIDTH, WIDTH + 3, 2 * WIDTH])
def test_so_many_numbers_are_added_and_no_other_changes(n: int):
    x, y = _drawn(0), _drawn(1)
    wanted = x.copy()
    wanted.ravel()[5 : 5 + n] += np.float32(0.5) * y.ravel()[30 : 30 + n]
    _add(x, 5, np.float32(0.5), y, 30, n)
    np.testing.assert_allclose(x, wanted, rtol=1e-6)
    assert np.array_equal(x.ravel()[5 + n :], wanted.ravel()[5 + n :])
