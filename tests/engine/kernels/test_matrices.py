"""Layouts of factors and products of whole matrices, against operations of torch."""

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.kernels.compiled import compiled
from engine.kernels.matrices import (
    SLACK,
    n_units,
    plus_times,
    times,
    whole,
    write_columns,
    write_columns_turned,
    write_rows,
)
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS

SIZES = [(1, 1, 1), (6, 64, 2), (7, 65, 3), (13, 130, 33)]
"""Rows, columns and what is summed over."""


def _lay_out(x, rows, columns, turned, row, column):
    write_rows(x, rows, column)
    write_columns(x, columns, row, column)
    write_columns_turned(x, turned, row, column)


@compiled
def _multiply(c, rows, b, turned, sizes, adds):
    of_c, of_b, width = (0, c.shape[1]), (0, b.shape[1]), turned.shape[1]
    if adds:
        plus_times(c, of_c, turned, (0, 1, width), b, of_b, sizes)
    else:
        times(c, of_c, rows, (0, rows.shape[1], 1), b, of_b, sizes)


def _room(n: int, width: int, paired: int) -> Tensor:
    dtype = torch.uint32 if paired else torch.float32
    return torch.full((n * width + SLACK,), 7).to(dtype)[: n * width].view(n, width)


def _numbers(units: Tensor, n: int, paired: int) -> Tensor:
    """The first `n` numbers of units one below the other, as float32."""
    if not paired:
        return units[:n]
    halves = units.view(torch.bfloat16).unflatten(-1, (-1, 2))
    return halves.permute(0, 2, 1).flatten(0, 1)[:n].float()


def _laid_out(x: Tensor, width: int, paired: int) -> tuple[Tensor, Tensor, Tensor]:
    """By row, by column with zeros up to a width, and by column of the transposed."""
    n, k = x.shape
    rows = _room(whole(n, TILE_ROWS), n_units(k, paired), paired)
    columns = _room(n_units(n, paired), max(width, k), paired)
    turned = _room(n_units(k, paired), n, paired)
    columns.zero_()
    _lay_out(x.numpy(), rows.numpy(), columns.numpy(), turned.numpy(), 0, 0)
    return rows, columns, turned


@pytest.mark.parametrize("paired", [0, 1])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_units_hold_the_numbers_and_zeros_past_the_last_row(
    size: tuple[int, int, int], paired: int
):
    n, _, k = size
    x = torch.randn(n, k, generator=torch.Generator().manual_seed(n + k))
    wanted = x.bfloat16().float() if paired else x
    rows = _room(whole(n, TILE_ROWS), n_units(k, paired) + 1, paired)
    columns = _room(n_units(n, paired) + 1, k + 2, paired)
    turned = _room(n_units(k, paired) + 1, n + 2, paired)
    _lay_out(x.numpy(), rows.numpy(), columns.numpy(), turned.numpy(), 1, 1)
    side_by_side = _numbers(rows[:, 1:].T.contiguous(), k, paired)
    assert torch.equal(side_by_side[:, :n].T, wanted)
    assert not side_by_side[:, n:].any()
    assert torch.equal(_numbers(columns[1:].contiguous(), n, paired)[:, 1 : 1 + k], wanted)
    assert torch.equal(_numbers(turned[1:].contiguous(), k, paired)[:, 1 : 1 + n], wanted.T)
    for odd, number in ((n, columns[-1, 1]), (k, turned[-1, 1])):
        if paired and odd % 2:
            assert int(number) >> 16 == 0, "the last of an odd number is paired with zero"


@pytest.mark.parametrize("paired", [0, 1])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_products_equal_those_of_torch(size: tuple[int, int, int], paired: int):
    n, m, k = size
    draw = torch.Generator().manual_seed(sum(size))
    a, b = torch.randn(n, k, generator=draw), torch.randn(k, m, generator=draw)
    exact = [(x.bfloat16() if paired else x).double() for x in (a, b)]
    wanted = exact[0] @ exact[1]
    units, rows, columns = n_units(k, paired), whole(n, TILE_ROWS), whole(m, WIDTH)
    a_rows, _, a_turned = _laid_out(a, n, paired)
    _, b_columns, _ = _laid_out(b, columns, paired)
    c = np.full((rows, columns), 5, np.float32)
    for adds in (False, True):
        _multiply(
            c, a_rows.numpy(), b_columns.numpy(), a_turned.numpy(), (rows, columns, units), adds
        )
        found = torch.from_numpy(c)[:n].double()
        torch.testing.assert_close(found[:, :m], (1 + adds) * wanted, rtol=1e-5, atol=1e-5)
        assert not found[:, m:].any()
