"""Adam's step by a compiled loop, against the chain of torch operations."""

import pytest
import torch

from engine.kernels.adam import LEAST_SHARE, adam_step, decay
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
def test_weights_decay_as_torch_multiplies_them(of_some: bool):
    draw = torch.Generator().manual_seed(3)
    weights, keep = torch.randn(3, 100, generator=draw), torch.rand(3, 1, generator=draw)
    decayed = torch.rand(3, 100, generator=draw) < 0.5 if of_some else None
    wanted = weights * keep if decayed is None else weights * torch.where(decayed, keep, 1.0)
    decay(weights, keep, decayed)
    assert torch.equal(weights, wanted)


def test_threads_share_many_numbers_to_the_bit():
    n = 2 * LEAST_SHARE + 3
    one, two = _rows(n), _rows(n)
    decayed = one.gradient > 0
    for rows, n_threads in ((one, 1), (two, 2)):
        with threads(n_threads):
            decay(rows.weights, torch.tensor([[0.5]]), decayed)
            adam_step(rows.weights, rows.gradient, **rows.slots, **rows.columns)
    assert torch.equal(one.weights, two.weights)
    assert all(torch.equal(one.slots[name], two.slots[name]) for name in one.slots)
    assert not torch.equal(one.weights[:, -3:], _rows(n).weights[:, -3:])
