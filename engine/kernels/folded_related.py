"""What queries and the reference have to do with a layer's tables: forward and backward.

Stages of `engine.kernels.folded_tables`, whose letters stand for the same here: products of
matrices with single rows.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.kernels.compiled import within_loops
from engine.kernels.folded_rooms import Sizes, stage
from engine.kernels.matrices import ONE, add, by_row
from engine.kernels.panels import WIDTH

LINE = 16
"""Numbers of float32 in a line of the cache."""


class _Weights(NamedTuple):
    tokens: Any
    places: Any
    queries: Any
    qkv: Any
    qkv_bias: Any
    out: Any
    out_bias: Any
    w_in: Any
    mlp_bias: Any
    unembedding: Any


class _Made(NamedTuple):
    x: Any
    v: Any
    v_rows: Any
    given: Any
    asked: Any
    along: Any
    start: Any


@stage
def relate(w: _Weights, f: _Made, sizes: Sizes, products: np.ndarray) -> None:
    """Values less the reference's, what queries are multiplied by, and where results start."""
    V, C, S = sizes.n_tokens, sizes.d_model, len(f.x)
    _relate_values(w, f, sizes)
    D, of_head = sizes.d_head, f.v_rows.shape[1] // sizes.n_heads
    for h in range(sizes.n_heads):
        by_row(f.v[:S, h * D : (h + 1) * D], f.v_rows, h * of_head)
    for q in range(len(w.queries)):
        n = w.queries[q]
        start, asked = f.start[q], f.asked[q]
        start[:] = asked[:] = 0
        add(f.x[w.tokens[n]], ONE, start)
        add(f.x[V + w.places[n]], ONE, start)
        add(w.qkv_bias[:C], ONE, asked)
        for c in range(C):
            add(w.qkv[c, :C], start[c], asked)
        _multiply_rows(w, f, sizes, products, q)
        add(w.out_bias, ONE, start)
        for i in range(C):
            add(w.out[i], f.given[i], start)


@within_loops()
def _relate_values(w: _Weights, f: _Made, sizes: Sizes) -> None:
    V, C, S = sizes.n_tokens, sizes.d_model, len(f.x)
    value = w.qkv_bias[2 * C :]
    f.given[:] = 0
    if sizes.reference < 0:
        for s in range(V, S):
            add(value, ONE, f.v[s])
        return
    of_token, of_place = np.zeros(C, np.float32), np.zeros(C, np.float32)
    add(f.v[w.tokens[sizes.reference], :C], ONE, of_token)
    add(f.v[V + w.places[sizes.reference], :C], ONE, of_place)
    for of_part in (of_token, of_place, value):
        add(of_part, ONE, f.given)
    for s in range(S):
        add(of_token if s < V else of_place, -ONE, f.v[s])


@within_loops()
def _multiply_rows(w: _Weights, f: _Made, sizes: Sizes, products: np.ndarray, q: int) -> None:
    """A query's product with each row that occurs."""
    V, C = sizes.n_tokens, sizes.d_model
    H, D = sizes.n_heads, sizes.d_head
    own = np.empty(len(f.x), np.float32)
    for h in range(H):
        always = np.float32(0)
        for i in range(h * D, (h + 1) * D):
            always += f.asked[q, i] * w.qkv_bias[C + i]
        for c in range(C):
            total = np.float32(0)
            for i in range(h * D, (h + 1) * D):
                total += f.asked[q, i] * w.qkv[c, C + i]
            f.along[q * H + h, c] = total
        for s in range(len(own)):
            total = np.float32(0)
            for c in range(C):
                total += f.x[s, c] * f.along[q * H + h, c]
            own[s] = total
        for n in range(len(w.tokens)):
            products[q, n, h] = own[w.tokens[n]] + own[V + w.places[n]] + always


class _Gradients(NamedTuple):
    qkv: Any
    qkv_bias: Any
    out_bias: Any
    in_bias: Any
    mlp_bias: Any


class _Asked(NamedTuple):
    of_logits: Any
    of_x: Any


@stage
def queries_back(
    w: _Weights,
    f: _Made,
    b: _Asked,
    to: _Gradients,
    sizes: Sizes,
    to_products: np.ndarray,
    to_base: np.ndarray,
) -> None:
    """What reaches the weights through queries and where results start, from the tables alone."""
    V, C = sizes.n_tokens, sizes.d_model
    to_start = np.zeros((len(f.start), C), np.float32)
    for of in (to.qkv_bias, to.in_bias, to.mlp_bias, to.out_bias):
        of[:] = 0
    to.qkv[:] = 0
    b.of_x[:] = 0
    b.of_logits[:] = 0
    for q in range(len(f.start)):
        _start_back(w, to, sizes, to_base, to_start[q], b.of_logits, q)
        add(to_start[q], ONE, to.out_bias)
    for v in range(V):
        add(w.unembedding[v], b.of_logits[v], to.mlp_bias)
    for q in range(len(f.start)):
        n = w.queries[q]
        token, place = w.tokens[n], V + w.places[n]
        to_asked = _products_back(w, f, b, to, sizes, to_products, q)
        add(to_asked, ONE, to.qkv_bias)
        for c in range(C):
            x, total = f.x[token, c] + f.x[place, c], to_start[q, c]
            for i in range(C):
                to.qkv[c, i] += x * to_asked[i]
                total += w.qkv[c, i] * to_asked[i]
            b.of_x[token, c] += total
            b.of_x[place, c] += total


class _Reached(NamedTuple):
    to_joined: Any
    to_v: Any
    to_out: Any
    to_unembedding: Any
    of_logits: Any


@stage
def relate_back(w: _Weights, f: _Made, b: _Reached, to: _Gradients, sizes: Sizes) -> None:
    """What reaches O, U and the values through the reference and where results start."""
    V, C = sizes.n_tokens, sizes.d_model
    for start in range(0, C, LINE):
        # what is read across its rows stays in the nearest cache for some columns
        for v in range(V):
            for c in range(start, min(start + LINE, C)):
                beside = b.to_joined[c, sizes.hidden + v]
                b.to_unembedding[v, c] += beside + b.of_logits[v] * w.mlp_bias[c]
    _reference_back(w, f, b, to, sizes)


@within_loops()
def _start_back(
    w: _Weights,
    to: _Gradients,
    sizes: Sizes,
    to_base: np.ndarray,
    to_start: np.ndarray,
    of_logits: np.ndarray,
    q: int,
) -> None:
    """What one query's start gets: from the hidden layer and from the logits beside it."""
    (V, C), F = w.unembedding.shape, len(to.in_bias)
    for at in range(0, F, WIDTH):
        own = to_base[at // WIDTH, q, : min(WIDTH, F - at)]
        add(own, ONE, to.in_bias[at:])
        for c in range(C):
            total = np.float32(0)
            for j in range(len(own)):
                total += w.w_in[c, at + j] * own[j]
            to_start[c] += total
    for v in range(V):
        g = to_base[(sizes.hidden + v) // WIDTH, q, v % WIDTH]
        of_logits[v] += g
        add(w.unembedding[v], g, to_start)


@within_loops()
def _reference_back(w: _Weights, f: _Made, b: _Reached, to: _Gradients, sizes: Sizes) -> None:
    """Each part's value was told less the reference's, which results start with."""
    V, C, S = sizes.n_tokens, sizes.d_model, len(f.x)
    of_tokens, of_places = np.zeros(C, np.float32), np.zeros(C, np.float32)
    for s in range(S):
        add(b.to_v[s, :C], ONE, of_tokens if s < V else of_places)
    if sizes.reference < 0:
        add(of_places, ONE, to.qkv_bias[2 * C :])
        return
    token, place = w.tokens[sizes.reference], V + w.places[sizes.reference]
    for i in range(C):
        total = np.float32(0)
        for c in range(C):
            total += w.out[i, c] * to.out_bias[c]
            b.to_out[i, c] += f.given[i] * to.out_bias[c]
        to.qkv_bias[2 * C + i] = total
        b.to_v[token, i] += total - of_tokens[i]
        b.to_v[place, i] += total - of_places[i]


@within_loops()
def _products_back(
    w: _Weights,
    f: _Made,
    b: _Asked,
    to: _Gradients,
    sizes: Sizes,
    to_products: np.ndarray,
    q: int,
) -> np.ndarray:
    """The gradient of a query, from those of its products with the rows."""
    V, C, S, H, D = sizes.n_tokens, sizes.d_model, len(f.x), sizes.n_heads, sizes.d_head
    to_asked, to_along = np.empty(C, np.float32), np.empty(C, np.float32)
    own = np.empty(S, np.float32)
    for h in range(H):
        own[:] = 0
        always = np.float32(0)
        for n in range(len(w.tokens)):
            g = to_products[q, n, h]
            own[w.tokens[n]] += g
            own[V + w.places[n]] += g
            always += g
        to_along[:] = 0
        for s in range(S):
            add(f.x[s], own[s], to_along)
            add(f.along[q * H + h], own[s], b.of_x[s])
        for i in range(h * D, (h + 1) * D):
            to_asked[i] = always * w.qkv_bias[C + i]
            to.qkv_bias[C + i] += always * f.asked[q, i]
        for c in range(C):
            for i in range(h * D, (h + 1) * D):
                to_asked[i] += w.qkv[c, C + i] * to_along[c]
                to.qkv[c, C + i] += f.asked[q, i] * to_along[c]
    return to_asked
