"""Compiled loops against one operation of torch."""

import pytest
import torch
from torch import Tensor

from engine.kernels.row_sums import Places, summed_rows, summed_rows_by_torch
from tests.engine.kernels.threads import threads


def _inputs(
    dtype: torch.dtype, *, n_rows: int, n_summed: int, n_more: int = 0
) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(n_rows + n_summed)
    table, base, weights = (
        torch.randn(*shape, generator=draw, dtype=dtype).requires_grad_()
        for shape in ((19, 70), (3, 70), (n_rows, n_summed + n_more))
    )
    rows = torch.randint(19, (n_rows, n_summed), generator=draw)
    asked = torch.randint(3, (n_rows,), generator=draw)
    return table, base, weights, rows, asked


@pytest.mark.parametrize("n_more", [0, 3])
@pytest.mark.parametrize("n_summed", [1, 2, 3, 12, 13])
@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 1e-5), (torch.float64, 1e-13)], ids=["f32", "f64"]
)
def test_sums_and_gradients_equal_torch(
    dtype: torch.dtype, within: float, n_summed: int, n_more: int
):
    inputs = _inputs(dtype, n_rows=37, n_summed=n_summed, n_more=n_more)
    table, base, *places = inputs
    ours = summed_rows(table, base, Places(*places))
    theirs = summed_rows_by_torch(table, base, Places(*places))
    torch.testing.assert_close(ours, theirs, rtol=within, atol=within)
    weigh = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    for got, wanted in zip(
        torch.autograd.grad((ours * weigh).sum(), inputs[:3]),
        torch.autograd.grad((theirs * weigh).sum(), inputs[:3]),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted, rtol=10 * within, atol=10 * within)


@pytest.mark.parametrize("n", [2, 3])
def test_sums_and_gradients_are_those_of_one_thread_to_the_bit(n: int):
    def found() -> list[Tensor]:
        inputs = _inputs(torch.float32, n_rows=37, n_summed=12)
        table, base, *places = inputs
        out = summed_rows(table, base, Places(*places))
        return [out.detach(), *torch.autograd.grad(out.square().sum(), inputs[:3])]

    with threads(1):
        alone = found()
    with threads(n):
        together = found()
    assert all(torch.equal(*pair) for pair in zip(alone, together, strict=True))


def test_one_row_alone_has_the_bits_that_it_has_among_others():
    table, base, weights, rows, asked = _inputs(torch.float32, n_rows=37, n_summed=12)
    places = Places(weights, rows, asked)
    together = summed_rows(table, base, places)
    alone = summed_rows(table, base, Places(*(each[5:6] for each in places)))
    assert torch.equal(together[5:6], alone)
