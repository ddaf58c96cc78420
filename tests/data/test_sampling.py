"""Drawing a few of very many."""

from itertools import permutations

import numpy as np
import pytest

from data.sampling import distinct


@pytest.mark.parametrize(("n", "size"), [(10, 10), (1000, 300), (10**15, 1000), (5, 0)])
def test_drawn_numbers_differ_and_lie_in_range(n: int, size: int):
    drawn = distinct(np.random.default_rng(0), n, size)
    assert len(np.unique(drawn)) == len(drawn) == size
    assert all(0 <= number < n for number in drawn)


def test_every_ordered_pair_of_nine_is_equally_likely():
    rng = np.random.default_rng(0)
    drawn = [tuple(distinct(rng, 9, 2).tolist()) for _ in range(1440)]
    counts = [drawn.count(pair) for pair in permutations(range(9), 2)]
    assert sum(counts) == 1440
    assert sum((count - 20) ** 2 / 20 for count in counts) < 120


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match="cannot draw 6 different numbers below 5"):
        distinct(np.random.default_rng(0), 5, 6)
