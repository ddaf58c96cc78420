"""What the stages of a layer's tables read and write, and the room for it.

The stages of `engine.kernels.folded_tables`, whose letters stand for the same here.
"""

import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from engine.kernels.buffers import room, zeros
from engine.kernels.compiled import compiled
from engine.kernels.folded_weights import FoldedWeights, Rows, or_zeros
from engine.kernels.matrices import SLACK, n_units, whole
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS
from engine.kernels.threads import n_threads


class Given(NamedTuple):
    """`FoldedWeights`, with zeros for biases that are missing, and `Rows`, as loops see them."""

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


N_WEIGHTS = len(FoldedWeights._fields)


def given_of(weights: FoldedWeights, rows: Rows) -> Given:
    """Arrays that share the tensors' memory, where these are contiguous."""
    return Given(*(x.numpy() for x in (*or_zeros(weights), *rows)))


class Sizes(NamedTuple):
    """What a stage cannot tell from the shapes of its arrays."""

    n_tokens: int
    d_model: int
    n_heads: int
    d_head: int
    hidden: int
    """F, filled up to whole panels."""
    reference: int
    """The row that all results see, or −1."""
    paired: int
    """1 where units are pairs, else 0."""


class Tables(NamedTuple):
    """What the weights alone give, or the gradients of that."""

    products: Any
    table: Any
    base: Any
    through: Any


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
    of_logits: Any
    """What reaches the logits beside the hidden layer, of all results."""


def sizes_of(given: Given, *, n_heads: int, reference: int | None, paired: int) -> Sizes:
    """Sizes of some heads; `reference` is the row that all results see, if one is."""
    (V, C), F = given.unembedding.shape, given.w_in.shape[1]
    row = -1 if reference is None else reference
    return Sizes(V, C, n_heads, C // n_heads, whole(F, WIDTH), row, paired)


def stage(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled loop that takes whole containers, and is handed the arrays that it names.

    A parameter whose type is a NamedTuple gets those of its fields from the argument's: each array
    that a loop is handed makes its code longer.
    """
    loop, types = compiled(function), inspect.get_annotations(inspect.unwrap(function))
    # the last of the types is that of what is returned
    narrowings = [_narrowing(each) for each in types.values()][:-1]

    def call(*arguments: Any) -> None:
        given = zip(narrowings, arguments, strict=True)
        loop(*[each if narrow is None else narrow(each) for narrow, each in given])

    return call


def _narrowing(kind: Any) -> Callable[[Any], Any] | None:
    """What makes one of that type of a larger container; a step calls it several dozen times."""
    if kind is Sizes or not hasattr(kind, "_fields"):
        return None
    # at least two names: of one alone comes no tuple
    taken, new = attrgetter(*kind._fields, kind._fields[0]), tuple.__new__
    return lambda argument: new(kind, taken(argument)[:-1])


def _tiles(n: int) -> int:
    return whole(n, TILE_ROWS)


def _panels(n: int) -> int:
    return whole(n, WIDTH)


def _room_with_slack(n: int, width: int, *, paired: int) -> np.ndarray:
    """The same of a matrix, with `SLACK` behind it."""
    flat = room(n * width + SLACK, paired=paired)
    flat[n * width :] = 0
    return flat[: n * width].reshape(n, width)


def room_of_tables(w: Given, sizes: Sizes) -> Tables:
    """Room for the tables; `through` in whole tiles and panels."""
    (V, F), N, Q = (len(w.unembedding), w.w_in.shape[1]), len(w.tokens), len(w.queries)
    n_panels = (sizes.hidden + _panels(V)) // WIDTH
    return Tables(
        products=room(Q, N, sizes.n_heads),
        table=room(n_panels, N * sizes.n_heads, WIDTH),
        base=room(n_panels, Q, WIDTH),
        through=room(_tiles(F), _panels(V)),
    )


def room_forward(w: Given, sizes: Sizes) -> Forward:
    """Room for the way to the tables."""
    (V, C), F, H, paired = w.unembedding.shape, w.w_in.shape[1], sizes.n_heads, sizes.paired
    S, W, Q = V + len(w.positions), sizes.hidden + _panels(V), len(w.queries)
    of_c, of_head = n_units(C, paired), H * n_units(sizes.d_head, paired)
    behind = room(_tiles(C) + TILE_ROWS, W)
    return Forward(
        x=room(S, C),
        x_rows=room(_tiles(S), of_c, paired=paired),
        out_rows=room(_tiles(C), of_c, paired=paired),
        w_out_rows=room(_tiles(F), of_c, paired=paired),
        w_v=zeros(of_c, _panels(C), paired=paired),
        joined=zeros(of_c, W, paired=paired),
        v=room(_tiles(S), _panels(C)),
        v_rows=room(_tiles(S), of_head, paired=paired),
        given=room(C),
        behind=behind,
        behind_units=room(of_head, W, paired=1) if paired else behind,
        asked=room(Q, C),
        along=room(Q * H, C),
        start=room(Q, C),
    )


def room_backward(w: Given, f: Forward, sizes: Sizes) -> Backward:
    """Room for the way back."""
    (V, C), F, paired = w.unembedding.shape, w.w_in.shape[1], sizes.paired
    S, W, P = len(f.x), f.joined.shape[1], f.joined.shape[1] // WIDTH
    s, c, u, v = (n_units(n, paired) for n in (S, C, F, V))
    all_of_w, of_panel = W >> paired, WIDTH >> paired
    to_behind = room(_tiles(C) + TILE_ROWS, W)
    n_slots = n_threads() if paired else P * sizes.n_heads
    folded = room(n_slots, _tiles(S), WIDTH)
    return Backward(
        behind_turned=zeros(all_of_w, _panels(C) + WIDTH, paired=paired),
        v_columns=_room_with_slack(s, C, paired=paired),
        out_columns=_room_with_slack(c, C, paired=paired),
        joined_turned=zeros(all_of_w, _panels(C), paired=paired),
        w_v_turned=zeros(c, _panels(C), paired=paired),
        w_out_columns=zeros(u, _panels(C), paired=paired),
        x_columns=_room_with_slack(s, C, paired=paired),
        through_rows=room(_tiles(V), u, paired=paired),
        through_columns=_room_with_slack(v, F, paired=paired),
        folded=folded,
        to_table_rows=room(P * sizes.n_heads, _tiles(S), of_panel, paired=1) if paired else folded,
        to_table_columns=room(n_slots, s, WIDTH, paired=1) if paired else folded,
        to_behind=to_behind,
        to_behind_rows=room(_tiles(C), all_of_w, paired=1) if paired else to_behind,
        to_behind_columns=room(c, W, paired=1) if paired else to_behind,
        to_joined=room(_tiles(C), W),
        to_v=room(_tiles(S), _panels(C) + WIDTH),
        to_v_rows=room(_tiles(S), c, paired=paired),
        to_v_columns=zeros(s, _panels(C), paired=paired),
        to_out=room(_tiles(C), _panels(C)),
        to_w_out=room(_tiles(F), _panels(C)),
        to_unembedding=room(_tiles(V), _panels(C)),
        to_w_v=room(_tiles(C), _panels(C)),
        to_x=room(_tiles(S), _panels(C)),
        of_x=room(S, C),
        of_logits=room(V),
    )
