"""What the stages of a layer's tables read and write, and the room for it.

The stages of `engine.kernels.folded_tables`, whose letters stand for the same here.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from engine.kernels.matrices import SLACK, n_units, whole
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS


class Weights(NamedTuple):
    """What a layer's tables are made of, in float32; zeros stand for biases that are missing."""

    embedding: Float[Tensor, "V C"]
    positions: Float[Tensor, "T C"]
    qkv: Float[Tensor, "C 3C"]
    qkv_bias: Float[Tensor, " 3C"]
    out: Float[Tensor, "C C"]
    out_bias: Float[Tensor, " C"]
    w_in: Float[Tensor, "C F"]
    in_bias: Float[Tensor, " F"]
    w_out: Float[Tensor, "F C"]
    mlp_bias: Float[Tensor, " C"]
    unembedding: Float[Tensor, "V C"]


N_WEIGHTS = len(Weights._fields)


class Rows(NamedTuple):
    """Which rows occur: the token and the position of each, and those that are read."""

    tokens: Int64[Tensor, " N"]
    positions: Int64[Tensor, " N"]
    queries: Int64[Tensor, " Q"]


class Given(NamedTuple):
    """`Weights` and `Rows` as the loops see them."""

    embedding: Any
    positions: Any
    qkv: Any
    qkv_bias: Any
    out: Any
    out_bias: Any
    w_in: Any
    in_bias: Any
    w_out: Any
    mlp_bias: Any
    unembedding: Any
    tokens: Any
    places: Any
    queries: Any


class Sizes(NamedTuple):
    """What the arrays' shapes do not tell."""

    n_heads: int
    d_head: int
    hidden: int
    """F, filled up to whole panels."""
    reference: int
    """The row that all results see, or −1."""
    paired: int
    """1 where units are pairs, else 0."""


class Forward(NamedTuple):
    """What the forward pass makes on its way; of most the backward pass has use."""

    x: Any
    """The parts."""
    x_rows: Any
    out_rows: Any
    w_out_rows: Any
    w_v: Any
    joined: Any
    """W_in and Uᵀ side by side, units one below the other."""
    v: Any
    v_rows: Any
    """Of each part less the reference's, a head's units side by side."""
    given: Any
    """The reference's value, or zeros."""
    behind: Any
    """O · joined."""
    behind_units: Any
    """The same, a head's units one below the other."""
    asked: Any
    """Queries."""
    along: Any
    """For each query and head the vector that the rows are multiplied by."""
    start: Any


class Backward(NamedTuple):
    """What the backward pass makes on its way."""

    behind_turned: Any
    v_columns: Any
    out_columns: Any
    joined_turned: Any
    """W_inᵀ over U, units one below the other."""
    w_v_turned: Any
    w_out_columns: Any
    x_columns: Any
    through_rows: Any
    through_columns: Any
    folded: Any
    """The table's gradient for the parts: of each panel and head, or of each thread."""
    to_table_rows: Any
    """Of each panel and head, units side by side; in float32 these are what is `folded`."""
    to_table_columns: Any
    """The same with units one below the other, or room for one of them for each thread."""
    to_behind: Any
    to_behind_rows: Any
    to_behind_columns: Any
    to_joined: Any
    to_v: Any
    to_v_rows: Any
    to_v_columns: Any
    to_out: Any
    to_w_out: Any
    to_unembedding: Any
    to_w_v: Any
    to_x: Any
    of_x: Any
    """What reaches the parts through queries, keys and results' starts."""


def _shape(weights: Weights) -> tuple[int, int]:
    return len(weights.unembedding), weights.w_in.shape[1]


def _tiles(n: int) -> int:
    return whole(n, TILE_ROWS)


def _panels(n: int) -> int:
    return whole(n, WIDTH)


def _room(*shape: int, paired: int = 0) -> np.ndarray:
    """Of float32, or of pairs; what it holds is not defined."""
    return np.empty(shape, np.uint32 if paired else np.float32)


def _room_with_slack(n: int, width: int, *, paired: int) -> np.ndarray:
    """The same of a matrix, with `SLACK` behind it."""
    flat = _room(n * width + SLACK, paired=paired)
    flat[n * width :] = 0
    return flat[: n * width].reshape(n, width)


def room_forward(weights: Weights, sizes: Sizes, Q: int) -> Forward:
    """Room for the tables of `Q` rows that are read."""
    (V, F), C, H, paired = _shape(weights), len(weights.out), sizes.n_heads, sizes.paired
    S, W = V + len(weights.positions), _panels(F) + _panels(V)
    of_c, of_head = n_units(C, paired), H * n_units(sizes.d_head, paired)
    behind = _room(_tiles(C) + TILE_ROWS, W)
    return Forward(
        x=_room(S, C),
        x_rows=_room(_tiles(S), of_c, paired=paired),
        out_rows=_room(_tiles(C), of_c, paired=paired),
        w_out_rows=_room(_tiles(F), of_c, paired=paired),
        w_v=_room(of_c, _panels(C), paired=paired),
        joined=_room(of_c, W, paired=paired),
        v=_room(_tiles(S), _panels(C)),
        v_rows=_room(_tiles(S), of_head, paired=paired),
        given=_room(C),
        behind=behind,
        behind_units=_room(of_head, W, paired=1) if paired else behind,
        asked=_room(Q, C),
        along=_room(Q * H, C),
        start=_room(Q, C),
    )


def room_backward(w: Given, f: Forward, sizes: Sizes) -> Backward:
    """Room for the way back."""
    (V, C), F, paired = w.unembedding.shape, w.w_in.shape[1], sizes.paired
    S, W, P = len(f.x), f.joined.shape[1], f.joined.shape[1] // WIDTH
    s, c, u, v = (n_units(n, paired) for n in (S, C, F, V))
    all_of_w, of_panel = W >> paired, WIDTH >> paired
    to_behind = _room(_tiles(C) + TILE_ROWS, W)
    n_slots = max(torch.get_num_threads(), 1) if paired else P * sizes.n_heads
    folded = _room(n_slots, _tiles(S), WIDTH)
    return Backward(
        behind_turned=_room(all_of_w, _panels(C) + WIDTH, paired=paired),
        v_columns=_room_with_slack(s, C, paired=paired),
        out_columns=_room_with_slack(c, C, paired=paired),
        joined_turned=_room(all_of_w, _panels(C), paired=paired),
        w_v_turned=_room(c, _panels(C), paired=paired),
        w_out_columns=_room(u, _panels(C), paired=paired),
        x_columns=_room_with_slack(s, C, paired=paired),
        through_rows=_room(_tiles(V), u, paired=paired),
        through_columns=_room_with_slack(v, F, paired=paired),
        folded=folded,
        to_table_rows=_room(P * sizes.n_heads, _tiles(S), of_panel, paired=1)
        if paired
        else folded,
        to_table_columns=_room(n_slots, s, WIDTH, paired=1) if paired else folded,
        to_behind=to_behind,
        to_behind_rows=_room(_tiles(C), all_of_w, paired=1) if paired else to_behind,
        to_behind_columns=_room(c, W, paired=1) if paired else to_behind,
        to_joined=_room(_tiles(C), W),
        to_v=_room(_tiles(S), _panels(C) + WIDTH),
        to_v_rows=_room(_tiles(S), c, paired=paired),
        to_v_columns=_room(s, _panels(C), paired=paired),
        to_out=_room(_tiles(C), _panels(C)),
        to_w_out=_room(_tiles(F), _panels(C)),
        to_unembedding=_room(_tiles(V), _panels(C)),
        to_w_v=_room(_tiles(C), _panels(C)),
        to_x=_room(_tiles(S), _panels(C)),
        of_x=_room(S, C),
    )
