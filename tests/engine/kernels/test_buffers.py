"""Memory that loops write to again and again."""

import numpy as np

from engine.kernels.buffers import Buffers, fresh


def test_arrays_of_one_name_lie_in_the_same_place():
    take = Buffers().take
    large = take("hidden", (3, 40), np.float32)
    small = take("hidden", (2, 5, 4), np.float32)
    assert small.shape == (2, 5, 4)
    small[:] = 7
    assert (large.ravel()[:40] == 7).all()
    assert not np.shares_memory(large, take("logits", (3, 40), np.float32))


def test_what_does_not_fit_gets_memory_of_its_own():
    take = Buffers().take
    small = take("hidden", (4,), np.float32)
    large, pairs = take("hidden", (5,), np.float32), take("hidden", (5,), np.uint32)
    assert not np.shares_memory(small, large)
    assert not np.shares_memory(large, pairs)
    assert pairs.dtype == np.uint32


def test_every_array_begins_with_a_line_of_the_cache():
    take = Buffers().take
    for make in (fresh, take):
        for name, n in (("a", 3), ("b", 1_000), ("c", 70_001)):
            assert make(name, (n,), np.float32).ctypes.data % 64 == 0
