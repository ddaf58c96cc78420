"""Logits of some rows and rows of two tables, against operations of torch in float64."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from engine.kernels.blocks import ROWS
from engine.kernels.buffers import fresh
from engine.kernels.embedded_rows import embed, embed_back
from engine.kernels.unembedding import Given, Unembedding, add_at
from tests.engine.kernels.sublayers import assert_near, by_rows, do_all, drawn, leaves
from tests.engine.kernels.threads import threads

SIZES = {
    "less than a panel": (7, 12, 10, 11),
    "whole panels": (60, 48, 64, 64),
    "more results than a block": (ROWS, 2 * ROWS + 5, 33, 130),
}
"""Rows, results, d_model, vocabulary."""


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_logits_and_gradients_are_those_of_torch(size: str, normed: bool, n: int):
    S, R, C, V = SIZES[size]
    none = np.empty(0, np.float32)
    gain, shift = 1 + drawn(C, seed=1, scale=0.1), drawn(C, seed=2, scale=0.1)
    own = Given(gain if normed else none, shift if normed else none, drawn(V, C, seed=3))
    x, gradient = drawn(S, C, seed=4), drawn(R, V, seed=5)
    places = np.random.default_rng(0).integers(S, size=R)
    end, to = Unembedding(C, V, n), Given(*(np.full_like(each, np.nan) for each in own))
    begun, to_x = np.full((R, C), np.nan, np.float32), np.full_like(x, np.nan)
    with threads(n):
        for _ in range(2):
            do_all(end.lay_out(own) + end.lay_out_back(own))
            kept = end.keep(R, C, fresh, returns=True)
            by_rows(lambda *of, kept=kept: end.forward(own, x, places, kept, *of), R)
            kept.to_logits[:R] = np.pad(gradient, [(0, 0), (0, kept.to_logits.shape[1] - V)])
            by_rows(lambda *of, kept=kept: end.backward(own, kept, begun, *of), R)
            do_all(end.write(to))
            add_at(begun, places, to_x)
    given, *weights = leaves(x, *(each for each in own if each.size))
    rows = functional.layer_norm(given, (C,), *weights[:2]) if normed else given
    logits = rows[torch.from_numpy(places)] @ weights[-1].T
    assert_near(kept.logits, logits.detach(), 0)
    wanted = torch.autograd.grad(logits, [given, *weights], torch.from_numpy(gradient).double())
    there = [each for each in to if each.size]
    for found, each in zip((to_x, *there), wanted, strict=True):
        assert_near(found, each, 0)


def test_a_pass_without_a_way_back_has_no_room_for_its_gradient():
    kept = Unembedding(8, 11, 1).keep(5, 8, fresh, returns=False)
    assert kept.to_logits.size == 0


@pytest.mark.parametrize("share", [slice(0, 9), slice(0, 4), slice(4, 9)], ids=str)
def test_rows_begin_as_token_plus_position(share: slice):
    embedding, positions = drawn(5, 6, seed=1), drawn(3, 6, seed=2)
    tokens, starts = np.array([0, 4, 4, 1, 2, 0, 3, 3, 1]), np.array([0, 2, 2, 9])
    out = np.full((9, 6), np.nan, np.float32)
    embed(embedding, positions, tokens, starts, out, share)
    own = positions[[0, 0, 2, 2, 2, 2, 2, 2, 2]]
    assert np.array_equal(out[share], (embedding[tokens] + own)[share])
    assert np.isnan(np.delete(out, np.arange(9)[share], 0)).all()


def test_what_rows_begin_with_gets_the_sums_of_their_gradients():
    tokens, starts = np.array([0, 4, 4, 1, 2, 0, 3, 3, 1]), np.array([0, 2, 2, 9])
    gradient = drawn(9, 6, seed=3)
    to_embedding, to_positions = (np.full((n, 6), np.nan, np.float32) for n in (6, 3))
    embed_back(gradient, tokens, starts, to_embedding, to_positions)
    wanted = np.zeros((6, 6), np.float32)
    np.add.at(wanted, tokens, gradient)
    np.testing.assert_allclose(to_embedding, wanted, rtol=1e-5, atol=1e-6)
    sums = [gradient[:2].sum(0), np.zeros(6), gradient[2:].sum(0)]
    np.testing.assert_allclose(to_positions, sums, rtol=1e-5, atol=1e-6)
