"""Factors' layouts against operations of torch, to the bit."""

import pytest
import torch
from torch import Tensor

from engine.kernels.layouts import lay_out, room_of_layouts, room_of_units
from engine.kernels.matrices import write_columns, write_columns_turned
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS

HALF = torch.bfloat16


def _numbers(*shape: int) -> Tensor:
    """Of many magnitudes, with ties between two numbers of bfloat16 among them."""
    draw = torch.Generator().manual_seed(sum(shape))
    x = torch.randn(shape, generator=draw) * 10 ** torch.randint(-9, 9, shape, generator=draw)
    x.view(-1)[: x.numel() // 2].view(torch.int32).bitwise_and_(~0xFFFF).bitwise_or_(0x8000)
    return x


def _apart(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """The lower and the upper half of each unit."""
    return tuple(pairs.view(HALF).unflatten(-1, (-1, 2)).unbind(-1))  # pyright: ignore[reportReturnType]


def _units(x: Tensor, *, paired: int, turned: bool) -> Tensor:
    room = room_of_units("", 12, 8, paired=paired)
    (write_columns_turned if turned else write_columns)(x.numpy(), room, 0, 0)
    return torch.from_numpy(room)


def _layouts(x: Tensor, *, paired: int) -> list[Tensor]:
    room, (R, V) = room_of_layouts(*x.shape, paired=paired), x.shape
    room.wide.fill(3)
    room.wide[:R, :V], room.wide[:R, V:] = x.numpy(), 0
    for rows in (slice(R // 4 * 2, R), slice(0, R // 4 * 2)):
        lay_out(rows, room, R=R)
    return [torch.from_numpy(each) for each in room]


@pytest.mark.parametrize("turned", [False, True])
def test_pairs_are_neighbours_of_the_first_dimension(turned: bool):
    x = _numbers(9, 7)
    given = x.T.contiguous() if turned else x
    units = _units(given, paired=1, turned=turned)
    lower, upper = (each.float() for each in _apart(units))
    wide = torch.nn.functional.pad(x, (0, 1, 0, 3))
    assert torch.equal(lower, wide[0::2].to(HALF).float())
    assert torch.equal(upper, wide[1::2].to(HALF).float())
    assert torch.equal(_units(given, paired=0, turned=turned), wide)


@pytest.mark.parametrize(("n_results", "n_logits"), [(12, 64), (7, 5), (8, 113), (1, 64)])
def test_a_gradient_is_filled_up_with_zeros(n_results: int, n_logits: int):
    gradient = _numbers(n_results, n_logits)
    wide, *both = _layouts(gradient, paired=0)
    assert all(torch.equal(each, wide) for each in both)
    filled, by_logit, by_result = _layouts(gradient, paired=1)
    assert torch.equal(filled, wide)
    assert wide.shape[0] % TILE_ROWS == wide.shape[1] % WIDTH == 0
    assert wide.shape[1] >= -(-n_logits // TILE_ROWS) * TILE_ROWS  # whole tiles of its columns
    assert torch.equal(wide[:n_results, :n_logits], gradient)
    assert wide.count_nonzero() == gradient.count_nonzero()
    assert torch.equal(by_logit.view(HALF), wide.to(HALF))
    assert all(map(torch.equal, _apart(by_result), (wide[0::2].to(HALF), wide[1::2].to(HALF))))
