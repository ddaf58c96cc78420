"""Compiled loops against one operation of torch."""

import math

import pytest
import torch
from torch import Tensor

from engine.kernels.row_sums import Places, RowSums, summed_rows, summed_rows_by_torch


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
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 1e-5), (torch.float64, 1e-13)], ids=["f32", "f64"]
)
def test_sums_and_gradients_equal_torch(
    dtype: torch.dtype, within: float, n_threads: int, n_summed: int, n_more: int
):
    inputs = _inputs(dtype, n_rows=37, n_summed=n_summed, n_more=n_more)
    table, base, *places = inputs
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
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
    finally:
        torch.set_num_threads(before)


def test_one_row_alone_has_the_bits_that_it_has_among_others():
    table, base, weights, rows, asked = _inputs(torch.float32, n_rows=37, n_summed=12)
    places = Places(weights, rows, asked)
    together = summed_rows(table, base, places)
    alone = summed_rows(table, base, Places(*(each[5:6] for each in places)))
    assert torch.equal(together[5:6], alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_first_numbers_are_rectified_and_rounded_on_the_way(
    dtype: torch.dtype, n_threads: int
):
    table, base, weights, rows, asked = _inputs(torch.float32, n_rows=37, n_summed=9)
    places, F = Places(weights, rows, asked), 40
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        hidden, beside = torch.empty(37, F, dtype=dtype), torch.empty(37, 20)
        RowSums(table, base, places).write(hidden, beside, 0)
        sums = summed_rows(table, base, places)
        wanted = sums[:, :F].relu()
        assert torch.equal(hidden, wanted.detach().to(dtype))
        assert torch.equal(beside, sums[:, F : F + 20])
        given = torch.randn(37, F + 20, generator=torch.Generator().manual_seed(2)).to(dtype)
        spread = RowSums(table, base, places).spread()
        spread.add(given[:, :F].contiguous(), hidden, given[:, F:].float(), 0)
        both = torch.cat([wanted, sums[:, F : F + 20]], 1)
        theirs = torch.autograd.grad(both, (table, base, weights), given.float())
        for got, other in zip(spread.gathered(), theirs, strict=True):
            torch.testing.assert_close(got, other, rtol=1e-5, atol=1e-5)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_what_is_not_a_number_stays_so(dtype: torch.dtype):
    table, base, weights, rows, asked = _inputs(torch.float32, n_rows=5, n_summed=3)
    with torch.no_grad():
        base[asked[0], :3] = torch.tensor([float("nan"), float("inf"), float("-inf")])
    hidden, beside = torch.empty(5, 8, dtype=dtype), torch.empty(5, 2)
    RowSums(table, base, Places(weights, rows, asked)).write(hidden, beside, 0)
    first = hidden[0].tolist()
    assert math.isnan(first[0])
    assert first[1:3] == [math.inf, 0.0]
    spread = RowSums(table, base, Places(weights, rows, asked)).spread()
    spread.add(torch.ones_like(hidden), hidden, beside, 0)
    (_, to_base, _) = spread.gathered()
    assert to_base[asked[0], 0] >= 1  # as torch's own gradient of a ReLU
