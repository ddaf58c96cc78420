"""Compiled loops against one operation of torch."""

import pytest
import torch
from torch import Tensor

from engine.kernels.row_sums import summed_rows, summed_rows_by_torch


def _inputs(dtype: torch.dtype, *, n_rows: int, n_summed: int) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(n_rows + n_summed)
    table, base, weights = (
        torch.randn(*shape, generator=draw, dtype=dtype).requires_grad_()
        for shape in ((19, 70), (3, 70), (n_rows, n_summed))
    )
    rows = torch.randint(19, (n_rows, n_summed), generator=draw)
    asked = torch.randint(3, (n_rows,), generator=draw)
    return table, base, weights, rows, asked


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("n_summed", [1, 2, 3, 12, 13])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 1e-5), (torch.float64, 1e-13)], ids=["f32", "f64"]
)
def test_sums_and_gradients_equal_torch(
    dtype: torch.dtype, within: float, n_threads: int, n_summed: int, rectified: bool
):
    inputs = _inputs(dtype, n_rows=37, n_summed=n_summed)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        ours = summed_rows(*inputs, rectified=rectified)
        theirs = summed_rows_by_torch(*inputs, rectified=rectified)
        torch.testing.assert_close(ours, theirs, rtol=within, atol=within)
        weigh = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
        for got, wanted in zip(
            torch.autograd.grad((ours * weigh).sum(), inputs[:3]),
            torch.autograd.grad((theirs * weigh).sum(), inputs[:3]),
            strict=True,
        ):
            torch.testing.assert_close(got, wanted, rtol=10 * within, atol=10 * within)
    finally:
        torch.set_num_threads(before)


def test_a_nan_is_not_hidden_by_the_rectifier():
    table, base, weights, rows, asked = _inputs(torch.float32, n_rows=5, n_summed=4)
    with torch.no_grad():
        table[rows[2, 1], 7] = float("nan")
        assert summed_rows(table, base, weights, rows, asked, rectified=True)[2, 7].isnan()


def test_one_row_alone_has_the_bits_that_it_has_among_others():
    table, base, weights, rows, asked = _inputs(torch.float32, n_rows=37, n_summed=12)
    together = summed_rows(table, base, weights, rows, asked, rectified=True)
    alone = summed_rows(table, base, weights[5:6], rows[5:6], asked[5:6], rectified=True)
    assert torch.equal(together[5:6], alone)
