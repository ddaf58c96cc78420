"""Adam's step by a compiled loop, against the chain of torch operations."""

import pytest
import torch

from engine.kernels.adam import LEAST_SHARE, adam_step
from engine.optim import AdamWSettings
from engine.optim.rows import Rows
from engine.optim.updates import adam_step_by_torch
from engine.trainer.rows import Layout
from tests.engine.kernels.threads import threads

NUMBERS = {
    "mean_gain": 0.1,
    "square_gain": 0.02,
    "mean_rate": 3e-2,
    "root_correction": 0.3,
    "eps": 1e-8,
}


def _rows(n: int) -> Rows:
    draw = torch.Generator().manual_seed(n)
    weights, gradient, mean = (torch.randn(1, n, generator=draw) for _ in range(3))
    return Rows(
        weights=weights,
        gradient=gradient,
        slots={"mean": mean, "square": torch.rand(1, n, generator=draw)},
        columns={name: torch.tensor([[number]]) for name, number in NUMBERS.items()},
        scratch=torch.empty(1, n),
        parts=Layout(("w",), ((n,),)).parts(torch.device("cpu")),
        settings=AdamWSettings(),
    )


@pytest.mark.parametrize("n", [1, 64, 1000])
def test_the_loop_equals_the_chain_of_operations(n: int):
    chain, loop = _rows(n), _rows(n)
    adam_step_by_torch(chain)
    adam_step(
        loop.weights,
        loop.gradient,
        **loop.slots,
        **loop.columns,
    )
    for found, wanted in (
        (loop.weights, chain.weights),
        (loop.slots["mean"], chain.slots["mean"]),
        (loop.slots["square"], chain.slots["square"]),
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)
    assert not torch.equal(loop.weights, _rows(n).weights)


def test_a_gradient_that_is_not_finite_reaches_the_weights():
    rows = _rows(64)
    rows.gradient[0, 5] = float("nan")
    adam_step(
        rows.weights,
        rows.gradient,
        **rows.slots,
        **rows.columns,
    )
    assert rows.weights[0, 5].isnan()
    assert rows.weights[0, :5].isfinite().all()


@pytest.mark.parametrize("of_some", [False, True])
def test_weights_decay_before_the_step(of_some: bool):
    keep, rows, before, alone = torch.tensor([[0.25]]), _rows(100), _rows(100), _rows(100)
    decayed = rows.gradient > 0 if of_some else None
    adam_step(
        rows.weights, rows.gradient, **rows.slots, **rows.columns, keep=keep, decayed=decayed
    )
    adam_step(alone.weights, alone.gradient, **alone.slots, **alone.columns)
    kept = before.weights * (keep if decayed is None else torch.where(decayed, keep, 1.0))
    wanted = kept + alone.weights - before.weights
    torch.testing.assert_close(rows.weights, wanted, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(rows.slots[name], alone.slots[name]) for name in rows.slots)


def test_a_mask_of_all_is_as_no_mask_to_the_bit():
    keep, masked, plain = torch.tensor([[0.3]]), _rows(1000), _rows(1000)
    for rows, decayed in ((masked, torch.ones(1, 1000) > 0), (plain, None)):
        arrays = {**rows.slots, **rows.columns}
        adam_step(rows.weights, rows.gradient, **arrays, keep=keep, decayed=decayed)
    assert torch.equal(masked.weights, plain.weights)


def test_threads_share_many_numbers_to_the_bit():
    n = 2 * LEAST_SHARE + 3
    one, two = _rows(n), _rows(n)
    decayed = one.gradient > 0
    for rows, n_threads in ((one, 1), (two, 2)):
        with threads(n_threads):
            own = {**rows.slots, **rows.columns, "keep": torch.tensor([[0.5]])}
            adam_step(rows.weights, rows.gradient, **own, decayed=decayed)
    assert torch.equal(one.weights, two.weights)
    assert all(torch.equal(one.slots[name], two.slots[name]) for name in one.slots)
    assert not torch.equal(one.weights[:, -3:], _rows(n).weights[:, -3:])
