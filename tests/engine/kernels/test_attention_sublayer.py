"""Attention's loops, with norm and residual stream, against operations of torch in float64."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from engine.kernels.attention_sublayer import AttentionSublayer, Given, Places, scratch_of
from engine.kernels.blocks import ROWS
from engine.kernels.buffers import fresh
from tests.engine.kernels.sublayers import assert_near, by_rows, do_all, drawn, leaves
from tests.engine.kernels.threads import threads

SIZES = {
    "few rows, heads of three": (7, 4, 6, 2, 3),
    "an odd number of rows, heads of eleven": (41, 20, 22, 2, 4),
    "whole panels, heads of an octet": (60, 60, 64, 8, 5),
    "more rows than a block": (2 * ROWS + 5, ROWS + 3, 32, 4, 3),
    "many heads": (30, 12, 68, 34, 6),
}
"""Rows, those that look, d_model, heads, most that a row sees."""


def _places(U: int, S: int, T: int) -> Places:
    """Rows that see one another and themselves, some fewer than others."""
    draw = np.random.default_rng(U)
    looking = np.sort(draw.permutation(U)[:S])
    seen = draw.integers(U, size=(S, T))
    n = draw.integers(1, T + 1, size=S)
    seen[np.arange(S), n - 1] = looking
    seen[np.arange(T) >= n[:, None]] = -1
    return Places(looking, seen)


def _given(C: int, *, normed: bool = True, biased: bool = True) -> Given:
    none = np.empty(0, np.float32)
    return Given(
        1 + drawn(C, seed=1, scale=0.1) if normed else none,
        drawn(C, seed=2, scale=0.1) if normed else none,
        drawn(C, 3 * C, seed=3, scale=C**-0.5),
        drawn(3 * C, seed=4, scale=0.1) if biased else none,
        drawn(C, C, seed=5, scale=C**-0.5),
        drawn(C, seed=6, scale=0.1) if biased else none,
    )


def _by_loops(
    x: np.ndarray,
    given: Given,
    places: Places,
    gradient: np.ndarray,
    n_heads: int,
    paired: int,
    n: int = 1,
) -> tuple[np.ndarray, np.ndarray, Given]:
    (U, C), (S, T) = x.shape, places.seen.shape
    sublayer = AttentionSublayer(C, n_heads, [scratch_of(C, paired=paired) for _ in range(n)])
    to = Given(*(np.full_like(each, np.nan) for each in given))
    out, to_x = np.full((S, C), np.nan, np.float32), np.full_like(x, np.nan)
    asked = np.full(U, -1)
    asked[places.looking] = np.arange(S)
    with threads(n):
        # as a step that follows another one
        for scale in (3.0, 1.0):
            own = Given(*((scale * each).astype(np.float32) for each in given))
            do_all(sublayer.lay_out(own) + sublayer.lay_out_back(own))
            kept = sublayer.keep(U, S, T, fresh)
            by_rows(lambda *of, own=own, kept=kept: sublayer.project(own, x, kept, *of), U)
            along = x, places, kept, out
            by_rows(lambda *of, own=own, along=along: sublayer.look(own, *along, *of), S)
            to_mixed, to_qkv = sublayer.room_back(U, S, fresh)
            # what has not been written must not be read
            to_qkv[:] = np.nan
            along = places, kept, gradient, to_mixed, to_qkv
            by_rows(lambda *of, along=along: sublayer.look_back(*along, *of), S)
            along = own, x, kept, to_qkv, asked if S < U else asked[:0], gradient, to_x
            by_rows(lambda *of, along=along: sublayer.project_back(*along, *of), U)
            do_all(sublayer.write(to))
    return out, to_x, to


def _by_torch(
    x: np.ndarray, given: Given, places: Places, gradient: np.ndarray, n_heads: int
) -> tuple[Tensor, list[Tensor]]:
    own, *weights = leaves(x, *(each for each in given if each.size))
    named = dict(
        zip((n for n, each in given._asdict().items() if each.size), weights, strict=True)
    )
    normed = own
    if "gain" in named:
        normed = functional.layer_norm(own, own.shape[1:], named["gain"], named["shift"])
    q, k, v = (normed @ named["w_qkv"] + named.get("b_qkv", 0)).chunk(3, -1)
    looking, seen = map(torch.from_numpy, places)
    heads = (n_heads, -1)
    q, k, v = (
        q[looking].unflatten(1, heads),
        k[seen].unflatten(2, heads),
        v[seen].unflatten(2, heads),
    )
    scores = (q[:, None] * k).sum(-1) * q.shape[-1] ** -0.5
    weights_of = scores.masked_fill((seen < 0)[..., None], -torch.inf).softmax(1)
    mixed = (weights_of[..., None] * v).sum(1).flatten(1)
    out = own[looking] + mixed @ named["w_out"] + named.get("b_out", 0)
    found = torch.autograd.grad(out, [own, *weights], torch.from_numpy(gradient).double())
    return out, list(found)


@pytest.mark.parametrize("paired", [0, 1], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("size", SIZES)
def test_values_and_gradients_are_those_of_torch(size: str, paired: int):
    U, S, C, n_heads, T = SIZES[size]
    places, given = _places(U, S, T), _given(C)
    x, gradient = drawn(U, C, seed=7), drawn(S, C, seed=8)
    out, to_x, to = _by_loops(x, given, places, gradient, n_heads, paired)
    wanted, gradients = _by_torch(x, given, places, gradient, n_heads)
    assert_near(out, wanted.detach(), paired)
    for found, own in zip((to_x, *to), gradients, strict=True):
        assert_near(found, own, paired)


@pytest.mark.parametrize("form", [{"normed": False}, {"biased": False}], ids=str)
def test_norm_and_biases_may_be_missing(form: dict[str, bool]):
    places, given = _places(30, 12, 4), _given(16, **form)
    x, gradient = drawn(30, 16, seed=7), drawn(12, 16, seed=8)
    out, to_x, to = _by_loops(x, given, places, gradient, 2, 0)
    wanted, gradients = _by_torch(x, given, places, gradient, 2)
    assert_near(out, wanted.detach(), 0)
    there = [each for each in to if each.size]
    for found, own in zip((to_x, *there), gradients, strict=True):
        assert_near(found, own, 0)


@pytest.mark.parametrize("n", [2, 3])
def test_threads_share_rows(n: int):
    places, given = _places(100, 60, 4), _given(18)
    x, gradient = drawn(100, 18, seed=7), drawn(60, 18, seed=8)
    alone = _by_loops(x, given, places, gradient, 3, 0)
    shared = _by_loops(x, given, places, gradient, 3, 0, n)
    assert np.array_equal(shared[0], alone[0])
    for found, wanted in zip((shared[1], *shared[2]), (alone[1], *alone[2]), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_large_scores_stay_finite():
    places, given = _places(20, 20, 4), _given(16)
    x = drawn(20, 16, seed=7)
    large = given._replace(w_qkv=100 * given.w_qkv)
    out, to_x, _ = _by_loops(x, large, places, np.ones_like(x), 2, 0)
    assert np.isfinite(out).all()
    assert np.isfinite(to_x).all()
