"""The MLP's loops, with norm and residual stream, against operations of torch in float64."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from engine.kernels.blocks import ROWS
from engine.kernels.buffers import fresh
from engine.kernels.mlp_sublayer import Given, MLPSublayer, scratch_of
from tests.engine.kernels.sublayers import assert_near, by_rows, do_all, drawn, leaves
from tests.engine.kernels.threads import threads

SIZES = {
    "fewer rows than a tile, less than a panel": (5, 6, 10),
    "an odd number of rows, widths of no panel": (37, 19, 70),
    "whole panels": (48, 64, 128),
    "more rows than a block": (2 * ROWS + 7, 32, 65),
}
"""Rows, d_model, d_mlp."""
ACTIVATIONS = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
}


def _given(C: int, F: int, *, normed: bool = True, biased: bool = True) -> Given:
    none = np.empty(0, np.float32)
    return Given(
        1 + drawn(C, seed=1, scale=0.1) if normed else none,
        drawn(C, seed=2, scale=0.1) if normed else none,
        drawn(C, F, seed=3, scale=C**-0.5),
        drawn(F, seed=4, scale=0.1) if biased else none,
        drawn(F, C, seed=5, scale=F**-0.5),
        drawn(C, seed=6, scale=0.1) if biased else none,
    )


def _by_loops(
    x: np.ndarray, given: Given, gradient: np.ndarray, activation: str, paired: int, n: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Given]:
    """What it gives if it keeps and if it does not, and the gradients of x and the weights."""
    (U, C), F = x.shape, given.w_in.shape[1]
    sublayer = MLPSublayer(C, F, activation, [scratch_of(C, F, paired=paired) for _ in range(n)])
    to = Given(*(np.full_like(each, np.nan) for each in given))
    out, again, to_x = (np.full_like(x, np.nan) for _ in range(3))
    with threads(n):
        # as a step that follows another one
        for scale in (3.0, 1.0):
            own = Given(*((scale * each).astype(np.float32) for each in given))
            do_all(sublayer.lay_out(own) + sublayer.lay_out_back(own))
            kept = sublayer.keep(U, fresh)
            by_rows(lambda *of, own=own, kept=kept: sublayer.forward(own, x, kept, out, *of), U)
            by_rows(lambda *of, own=own: sublayer.forward(own, x, None, again, *of), U)
            along = x, kept, gradient, to_x
            by_rows(lambda *of, own=own, along=along: sublayer.backward(own, *along, *of), U)
            do_all(sublayer.write(to))
    return out, again, to_x, to


def _by_torch(
    x: np.ndarray, given: Given, gradient: np.ndarray, activation: str
) -> tuple[Tensor, list[Tensor]]:
    there = [each for each in given if each.size]
    own, *weights = leaves(x, *there)
    named = dict(
        zip((n for n, each in given._asdict().items() if each.size), weights, strict=True)
    )
    normed = own
    if "gain" in named:
        normed = functional.layer_norm(own, own.shape[1:], named["gain"], named["shift"])
    hidden = ACTIVATIONS[activation](normed @ named["w_in"] + named.get("b_in", 0))
    out = own + hidden @ named["w_out"] + named.get("b_out", 0)
    found = torch.autograd.grad(out, [own, *weights], torch.from_numpy(gradient).double())
    return out, list(found)


@pytest.mark.parametrize("paired", [0, 1], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("size", SIZES)
def test_values_and_gradients_are_those_of_torch(size: str, activation: str, paired: int):
    U, C, F = SIZES[size]
    x, gradient, given = drawn(U, C, seed=7), drawn(U, C, seed=8), _given(C, F)
    out, again, to_x, to = _by_loops(x, given, gradient, activation, paired)
    wanted, gradients = _by_torch(x, given, gradient, activation)
    assert np.array_equal(out, again)
    assert_near(out, wanted.detach(), paired)
    for found, own in zip((to_x, *to), gradients, strict=True):
        # a number that bfloat16 takes across the ReLU's corner changes a row's whole slope
        is_rough = paired and activation == "relu"
        assert_near(found, own, paired) if not is_rough else _assert_alike(found, own)


def _assert_alike(found: np.ndarray, wanted: Tensor) -> None:
    own = torch.from_numpy(found).double().flatten()
    assert functional.cosine_similarity(own, wanted.flatten(), dim=0) > 0.99


@pytest.mark.parametrize("form", [{"normed": False}, {"biased": False}], ids=str)
def test_norm_and_biases_may_be_missing(form: dict[str, bool]):
    x, gradient, given = drawn(20, 16, seed=7), drawn(20, 16, seed=8), _given(16, 24, **form)
    out, _, to_x, to = _by_loops(x, given, gradient, "gelu", 0)
    wanted, gradients = _by_torch(x, given, gradient, "gelu")
    assert_near(out, wanted.detach(), 0)
    there = [each for each in to if each.size]
    for found, own in zip((to_x, *there), gradients, strict=True):
        assert_near(found, own, 0)


@pytest.mark.parametrize("n", [2, 3])
def test_threads_share_the_rows(n: int):
    x, gradient, given = drawn(100, 16, seed=7), drawn(100, 16, seed=8), _given(16, 24)
    alone = _by_loops(x, given, gradient, "relu", 0)
    shared = _by_loops(x, given, gradient, "relu", 0, n)
    for found, wanted in zip(shared[:3], alone[:3], strict=True):
        assert np.array_equal(found, wanted)
    for found, wanted in zip(shared[3], alone[3], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_number_that_is_none_stays_one():
    x, given = drawn(8, 16, seed=7), _given(16, 24)
    x[3, 2] = np.nan
    for activation in ACTIVATIONS:
        out, *_ = _by_loops(x, given, np.ones_like(x), activation, 0)
        assert np.isnan(out[3]).all()
        assert np.isfinite(out[[0, 1, 2, 4, 5, 6, 7]]).all()
