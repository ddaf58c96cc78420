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

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.kernels import folded_backward, folded_forward
from engine.kernels.folded_rooms import (
    N_WEIGHTS,
    Forward,
    Given,
    Rows,
    Sizes,
    Weights,
    room_backward,
    room_forward,
)
from engine.kernels.matrices import whole
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS
from engine.kernels.threads import in_turns


class Tables(NamedTuple):
    """What the weights alone give, and what `gradients_of` needs besides."""

    products: Float[Tensor, "Q N H"]
    table: Float[Tensor, "P M 64"]
    base: Float[Tensor, "P Q 64"]
    through: Float[Tensor, "F V"]
    made: tuple[Given, Forward, Sizes]


def tables_of(
    weights: Weights, rows: Rows, *, n_heads: int, reference: int | None, dtype: torch.dtype
) -> Tables:
    """The tables; factors of the large products are of `dtype`, float32 or bfloat16."""
    paired = int(dtype == torch.bfloat16)
    C, (V, F), N, Q = (
        weights.out.shape[0],
        (len(weights.unembedding), weights.w_in.shape[1]),
        len(rows.tokens),
        len(rows.queries),
    )
    given = Given(*(x.numpy() for x in (*weights, *rows)))
    row = -1 if reference is None else reference
    sizes = Sizes(n_heads, C // n_heads, whole(F, WIDTH), row, paired)
    own = room_forward(weights, sizes, Q)
    n_panels = own.joined.shape[1] // WIDTH
    products = np.empty((Q, N, n_heads), np.float32)
    table = np.empty((n_panels, N * n_heads, WIDTH), np.float32)
    base = np.empty((n_panels, Q, WIDTH), np.float32)
    through = np.empty((whole(F, TILE_ROWS), whole(V, WIDTH)), np.float32)
    folded_forward.lay_out(given, own, sizes)
    in_turns(lambda first, step: folded_forward.multiply(own, sizes, through, first, step))
    folded_forward.relate(given, own, sizes, products)
    in_turns(
        lambda first, step: folded_forward.write_tables(
            given, own, sizes, table, base, first, step
        )
    )
    found = map(torch.from_numpy, (products, table, base, through))
    products, table, base, through = found
    return Tables(products, table, base, through[:F, :V], (given, own, sizes))


def gradients_of(
    made: tuple[Given, Forward, Sizes],
    to_products: Float[Tensor, "Q N H"],
    to_table: Float[Tensor, "P M 64"],
    to_base: Float[Tensor, "P Q 64"],
    to_through: Float[Tensor, "F V"],
) -> Weights:
    """The gradients of the weights, from those of the tables."""
    given, own, sizes = made
    room = room_backward(given, own, sizes)
    # what folds into logits last is multiplied the other way about
    turned_through = to_through.T.contiguous().numpy()
    to = Given(*(np.empty_like(x) for x in given[:N_WEIGHTS]), *given[N_WEIGHTS:])
    arrays = [x.contiguous().numpy() for x in (to_products, to_table, to_base)]
    folded_backward.lay_out_back(given, own, room, sizes, turned_through)
    in_turns(
        lambda first, step: folded_backward.fold(given, own, room, sizes, *arrays[1:], first, step)
    )
    in_turns(lambda first, step: folded_backward.go_back(room, sizes, first, step))
    folded_backward.relate_back(given, own, room, to, sizes, arrays[0], arrays[2])
    folded_backward.lay_out_values(room)
    in_turns(lambda first, step: folded_backward.finish(room, first, step))
    folded_backward.write(given, room, to)
    return Weights(*(torch.from_numpy(x) for x in to[:N_WEIGHTS]))
