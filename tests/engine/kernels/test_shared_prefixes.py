"""Distinct prefixes of token rows, against sets of tuples."""

import numpy as np
import pytest

from engine.kernels.shared_prefixes import by_place, numbered


def _tokens(B: int, T: int, n_tokens: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(n_tokens, size=(B, T))


@pytest.mark.parametrize(
    ("B", "T", "n_tokens"), [(1, 1, 3), (5, 4, 2), (500, 5, 4), (300, 8, 2), (257, 3, 10**6)]
)
def test_each_distinct_prefix_has_a_number_of_its_own(B: int, T: int, n_tokens: int):
    tokens = _tokens(B, T, n_tokens)
    rows, sees, starts = numbered(tokens)
    of_number: dict[int, tuple[int, ...]] = {}
    for b, t in np.ndindex(B, T):
        prefix = tuple(tokens[b, : t + 1].tolist())
        assert of_number.setdefault(int(rows[b, t]), prefix) == prefix
    assert len(set(of_number.values())) == len(of_number) == len(sees) == starts[-1]
    for number, prefix in of_number.items():
        t = len(prefix) - 1
        assert starts[t] <= number < starts[t + 1]
        begins = [of_number[row] for row in sees[number, : t + 1].tolist()]
        assert begins == [prefix[: i + 1] for i in range(t + 1)]
        assert (sees[number, t + 1 :] == -1).all()


def test_numbers_follow_the_first_occurrence():
    rows, _, starts = numbered(np.array([[3, 1], [0, 1], [3, 0], [3, 1]]))
    assert rows.tolist() == [[0, 2], [1, 3], [0, 4], [0, 2]]
    assert starts.tolist() == [0, 2, 5]


@pytest.mark.parametrize(("B", "T", "n_tokens"), [(1, 1, 3), (5, 4, 2), (300, 5, 7)])
def test_prefixes_that_end_alike_at_one_position_have_one_place(B: int, T: int, n_tokens: int):
    tokens = _tokens(B, T, n_tokens)
    rows, sees, starts = numbered(tokens)
    of_prefix = np.empty(len(sees), np.int64)
    of_prefix[rows] = tokens
    ends, last, own = by_place(of_prefix, starts)
    assert own.tolist() == [0, *np.cumsum([len(np.unique(tokens[:, t])) for t in range(T)])]
    for b, t in np.ndindex(B, T):
        place = ends[rows[b, t]]
        assert own[t] <= place < own[t + 1]
        assert last[place] == tokens[b, t]
