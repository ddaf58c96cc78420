"""The tables of one layer whose two last matrices fold into one, and their gradients.

What they are is told in `engine.models.gpt.folded`. Two dozen products of small matrices: one by
one, their calls and the layouts between them took longer than their arithmetic. Here each stage is
one call, and every factor is laid out once. Two savings come on top, exact as the others:

* A row that occurs is a token's part plus a position's, and so is everything linear in it. So
  products are taken of the parts, of which there are about half as many, and added afterwards.
* A query's products with all keys are those of the rows with one vector, W_K applied to the query.

Threads share panels of columns or tiles of rows, so that the numbers do not depend on how many
there are.

Shapes: ``V`` vocabulary, ``T`` positions, ``S`` = V + T parts, ``C`` d_model, ``H`` heads,
``D`` d_head, ``F`` d_mlp, ``N`` rows that occur, ``Q`` of them that are read, ``M`` = N·H,
``W`` F and V, each filled up to whole panels, ``P`` panels.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.kernels import folded_backward, folded_forward, folded_related
from engine.kernels.folded_rooms import (
    N_WEIGHTS,
    Backward,
    Forward,
    Given,
    Sizes,
    Tables,
    given_of,
    room_backward,
    room_forward,
    room_of_tables,
    sizes_of,
)
from engine.kernels.folded_weights import FoldedWeights, Rows
from engine.kernels.layouts import arrays_of, is_paired
from engine.kernels.threads import in_any_order, in_turns


class Made(NamedTuple):
    """What `gradients_of` needs to know of the way to the tables."""

    given: Given
    room: Forward
    sizes: Sizes


def forward(
    given: Given,
    room: Forward,
    sizes: Sizes,
    tables: Tables,
    *,
    beside: Sequence[Callable[[], None]] = (),
) -> None:
    """Write the tables, and do what needs nothing but `through` of them `beside`."""
    folded_forward.lay_out(given, room, sizes)
    in_turns(lambda *turns: folded_forward.multiply(room, sizes, tables.through, *turns))
    relate = partial(folded_related.relate, given, room, sizes, tables.products)
    in_any_order(relate, *beside)
    ends = tables.table, tables.base
    in_turns(lambda *turns: folded_forward.write_tables(given, room, sizes, *ends, *turns))


def backward(
    made: Made,
    room: Backward,
    gradient: Tables,
    to: Given,
    *,
    relate: Callable[[], None] = lambda: None,
) -> None:
    """Write the gradients of the weights, from those of the tables.

    That of `through` comes transposed: what folds into logits last is multiplied the other way.
    `relate` writes that of the products, beside what does not need it.
    """
    given, own, sizes = made

    def of_queries() -> None:
        relate()
        related = gradient.products, gradient.base
        folded_related.queries_back(given, own, room, to, sizes, *related)

    folded_backward.lay_out_back(given, own, room, sizes, gradient.through, of_queries)
    ends = gradient.table, gradient.base
    in_turns(lambda *turns: folded_backward.fold(given, own, room, sizes, *ends, *turns))
    in_turns(lambda *turns: folded_backward.go_back(room, sizes, *turns))
    folded_related.relate_back(given, own, room, to, sizes)
    folded_backward.write_first(given, room, to)
    in_turns(lambda *turns: folded_backward.finish(room, *turns))
    folded_backward.write_last(given, room, to)


def tables_of(
    weights: FoldedWeights,
    rows: Rows,
    *,
    n_heads: int,
    reference: int | None,
    dtype: torch.dtype,
) -> tuple[
    tuple[
        Float[Tensor, "Q N H"],
        Float[Tensor, "P M 64"],
        Float[Tensor, "P Q 64"],
        Float[Tensor, "F V"],
    ],
    Made,
]:
    """The tables; factors of the large products are of `dtype`, float32 or bfloat16."""
    given = given_of(weights, rows)
    sizes = sizes_of(given, n_heads=n_heads, reference=reference, paired=is_paired(dtype))
    room, tables = room_forward(given, sizes), room_of_tables(given, sizes)
    forward(given, room, sizes, tables)
    products, table, base, through = map(torch.from_numpy, tables)
    F, V = given.w_in.shape[1], len(given.unembedding)
    return (products, table, base, through[:F, :V]), Made(given, room, sizes)


def gradients_of(
    made: Made,
    to_products: Float[Tensor, "Q N H"],
    to_table: Float[Tensor, "P M 64"],
    to_base: Float[Tensor, "P Q 64"],
    to_through: Float[Tensor, "F V"],
) -> FoldedWeights:
    """The gradients of the weights, from those of the tables."""
    room = room_backward(*made)
    to = room_of_gradients(made.given)
    gradient = Tables(*arrays_of(to_products, to_table, to_base, to_through.T))
    backward(made, room, gradient, to)
    return FoldedWeights(*(torch.from_numpy(x) for x in to[:N_WEIGHTS]))


def room_of_gradients(given: Given) -> Given:
    """Room for the gradients of the weights."""
    return Given(*(np.empty_like(x) for x in given[:N_WEIGHTS]), *given[N_WEIGHTS:])
