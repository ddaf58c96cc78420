"""A rectified hidden layer, of sums of a table's rows, and its product: forward and backward.

    (within | beside) = base + Σₖ weight_k · table_k
    logits = beside + max(0, within) · through

Of all examples the hidden layer is larger than the caches. Here a panel of it, 64 numbers of some
examples, is summed, rectified, rounded to the type of the product and multiplied before the next
one is looked at; its gradient never leaves the nearest cache. A panel of the table, which all
examples read and whose gradient they all add to, stays there as long.

Results are independent of each other forward, and panels backward. So threads share them, and the
numbers do not depend on how many there are.

Shapes: ``R`` results, ``F`` hidden layer, ``V`` logits, ``K`` rows summed for each result, ``L``
weights of each; ``M`` rows of the table, ``Q`` bases, ``W`` width of the table: F and V, each
filled up to whole panels; ``P`` panels, ``N`` of them of the hidden layer.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from engine.kernels.buffers import Take, fresh
from engine.kernels.layouts import (
    Layouts,
    is_paired,
    lay_out,
    room_of_layouts,
    room_of_units,
)
from engine.kernels.matrices import whole, write_columns, write_columns_turned
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS
from engine.kernels.rectified_loops import add_up, spread_beside, spread_hidden, write_logits
from engine.kernels.row_sums import Places
from engine.kernels.threads import by_shares, n_threads, one_by_one

ROWS_FORWARD, ROWS_BACKWARD = 128 * TILE_ROWS, 64 * TILE_ROWS
"""Results that one block takes: with a panel of the table they fit a core's own cache."""


class Layer(NamedTuple):
    """What is computed, in float32; contiguous."""

    table: Float[Tensor, "P M 64"]
    base: Float[Tensor, "P Q 64"]
    places: Places
    through: Float[Tensor, "F V"]
    dtype: torch.dtype
    """Of the products' factors."""


class Given(NamedTuple):
    """The same as the loops see it."""

    table: Any
    base: Any
    weights: Any
    rows: Any
    asked: Any
    through: Any


class Forward(NamedTuple):
    """What the forward pass writes."""

    through: Any
    """Units, filled up."""
    blocks: list[Any]
    """For each thread, room for a panel of some results' hidden layer."""
    sums: list[Any]
    """For each thread, room for the logits of these."""
    hidden: Any
    """Panel by panel, of bfloat16 pairs of results; or nothing, where none is kept."""
    logits: Any


class Backward(NamedTuple):
    """What the way back writes."""

    gradient: Layouts
    back: Any
    """`through` transposed."""
    blocks: list[Any]
    to_weights: Any
    """Of each panel."""
    table: Any
    base: Any
    weights: Any
    through: Any
    """Transposed, V before F; its tiles and panels are whole."""


def room_forward(given: Given, *, paired: int, keeps: bool, take: Take = fresh) -> Forward:
    """Room for `forward`; `paired` is 1 for factors in bfloat16."""
    R, (F, V) = len(given.rows), given.through.shape
    rows, columns = whole(F, WIDTH), whole(V, WIDTH)
    units = whole(R, TILE_ROWS) >> paired if keeps else 0
    of_unit, of_factor = (np.uint32, np.uint16) if paired else (np.float32, np.float32)
    threads = range(n_threads())
    return Forward(
        through=room_of_units("through", rows, columns, paired=paired, take=take),
        blocks=[take(f"block {i}", (ROWS_FORWARD, WIDTH), of_factor) for i in threads],
        sums=[take(f"sums {i}", (ROWS_FORWARD, columns), np.float32) for i in threads],
        hidden=take("hidden", (rows // WIDTH, units, WIDTH), of_unit),
        logits=take("logits", (R, V), np.float32),
    )


def room_backward(given: Given, *, paired: int, take: Take = fresh) -> Backward:
    """Room for `backward`."""
    (R, K), (F, V), (M, Q) = given.rows.shape, given.through.shape, _heights(given)
    n_panels, columns = len(given.table), whole(F, WIDTH)
    blocks = [f"back {i}" for i in range(n_threads())]
    return Backward(
        gradient=room_of_layouts(R, V, paired=paired, take=take),
        back=room_of_units("back", whole(V, 2), columns, paired=paired, take=take),
        blocks=[take(name, (ROWS_BACKWARD, WIDTH), np.float32) for name in blocks],
        to_weights=take("to weights", (n_panels, R, K), np.float32),
        table=take("table", (n_panels, M, WIDTH), np.float32),
        base=take("base", (n_panels, Q, WIDTH), np.float32),
        weights=take("weights", given.weights.shape, np.float32),
        through=take("to through", (whole(V, TILE_ROWS), columns), np.float32),
    )


def _heights(given: Given) -> tuple[int, int]:
    return given.table.shape[1], given.base.shape[1]


def lay_out_forward(given: Given, room: Forward) -> None:
    """Lay out what all results are multiplied by."""
    write_columns(given.through, room.through, 0, 0)


def forward(given: Given, room: Forward, share: slice, thread: int, *, paired: int) -> None:
    """Write the logits of some results, and their hidden layer where `room` keeps it."""
    block, sums = room.blocks[thread], room.sums[thread]
    arrays = *given[:5], room.through, room.hidden, block, block.view(room.hidden.dtype), sums
    write_logits(*arrays, room.logits, share.start, share.stop, paired)


def lay_out_backward(given: Given, room: Backward) -> None:
    """Lay out what the gradients of all logits are multiplied by."""
    write_columns_turned(given.through, room.back, 0, 0)


def backward(
    given: Given, hidden: Shaped[np.ndarray, "N U 64"], room: Backward, *, paired: int
) -> None:
    """Write the gradients of table, base, weights and through.

    Those of the logits are laid out in `room.gradient`.
    """
    wide, by_logit, by_result = room.gradient
    arrays, factors = given[:1] + given[2:5], (hidden, by_logit, by_result, room.back)
    found, n_hidden = (room.table, room.base, room.to_weights), len(hidden)

    def part(panel: int, thread: int) -> None:
        if panel < n_hidden:
            ends = room.through, panel, paired
            spread_hidden(*arrays, *factors, room.blocks[thread], *found, *ends)
        else:
            spread_beside(*arrays, wide, *found, panel, panel - n_hidden)

    one_by_one(part, len(given.table))
    ends = room.to_weights, room.weights
    by_shares(lambda share, _: add_up(*ends, share.start, share.stop), len(room.weights))


def logits_of(
    layer: Layer, *, keeps: bool
) -> tuple[Float[Tensor, "R V"], Shaped[Tensor, "N _ 64"]]:
    """The logits, and the hidden layer panel by panel, or nothing of it.

    Of bfloat16 the hidden layer has pairs of results.
    """
    given, paired = _given(layer), is_paired(layer.dtype)
    room = room_forward(given, paired=paired, keeps=keeps)
    lay_out_forward(given, room)
    take = partial(forward, given, room, paired=paired)
    by_shares(take, len(given.rows), of=TILE_ROWS)
    return torch.from_numpy(room.logits), torch.from_numpy(room.hidden)


def gradients_of(
    layer: Layer, hidden: Shaped[Tensor, "N _ 64"], gradient: Float[Tensor, "R V"]
) -> tuple[
    Float[Tensor, "P M 64"], Float[Tensor, "P Q 64"], Float[Tensor, "R L"], Float[Tensor, "F V"]
]:
    """The gradients of table, base, weights and through, from that of the logits."""
    given, paired = _given(layer), is_paired(layer.dtype)
    room = room_backward(given, paired=paired)
    R, (F, V) = len(gradient), given.through.shape
    wide = room.gradient.wide
    wide[:R, :V], wide[:R, V:] = gradient.numpy(), 0
    lay_out_backward(given, room)
    by_shares(lambda share, _: lay_out(share, room.gradient, R=R), R, of=TILE_ROWS)
    backward(given, hidden.numpy(), room, paired=paired)
    found = (torch.from_numpy(x) for x in (room.table, room.base, room.weights))
    to_table, to_base, to_weights = found
    return to_table, to_base, to_weights, torch.from_numpy(room.through[:V, :F]).T


def _given(layer: Layer) -> Given:
    return Given(*(x.numpy() for x in (layer.table, layer.base, *layer.places, layer.through)))
