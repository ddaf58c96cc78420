"""How attention is taken from a table of query-key products that many examples look up.

out[r, t, h] = softmax over t of scale · products[asked[r], rows[b, t], h]

for the positions t that result r may see; b is its example. As torch operations this is a dozen
passes over small arrays, most of whose time is the call.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``R`` = B·A results, ``Q`` rows that
are read, ``N`` rows that occur, ``H`` heads, ``K`` = T·H.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from engine.kernels.compiled import compiled, within_loops
from engine.kernels.softmax import LANES, exponentiate
from engine.kernels.threads import by_shares


def looked_up_attention(
    products: Float[Tensor, "Q N H"],
    rows: Int64[Tensor, "B T"],
    asked: Int64[Tensor, " R"],
    hidden: Bool[Tensor, "A T"],
    scale: float,
) -> Float[Tensor, "R K"]:
    """Where each result looks, heads within positions; gradients reach the products.

    `hidden` says which positions a read position cannot see.
    """
    return _LookedUp.apply(products, rows, asked, hidden, scale)


def looked_up_attention_by_torch(
    products: Float[Tensor, "Q N H"],
    rows: Int64[Tensor, "B T"],
    asked: Int64[Tensor, " R"],
    hidden: Bool[Tensor, "A T"],
    scale: float,
) -> Float[Tensor, "R K"]:
    """The same by torch operations: what `looked_up_attention` is held to."""
    (B, T), A = rows.shape, len(hidden)
    scores = products[asked.view(B, A, 1), rows.view(B, 1, T)] * scale
    return scores.masked_fill(hidden[..., None], float("-inf")).softmax(2).flatten(0, 1).flatten(1)


class _LookedUp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, products: Tensor, rows: Tensor, asked: Tensor, hidden: Tensor, scale: float
    ) -> Tensor:
        weights = products.new_empty(len(asked), rows.shape[1] * products.shape[2])
        table, out = products.detach().contiguous().numpy(), weights.numpy()
        arrays = table, rows.numpy(), asked.numpy(), hidden.numpy(), scale, out
        by_shares(lambda share, _: look(*arrays, share), len(asked))
        ctx.save_for_backward(rows, asked, weights)
        ctx.rest = products.shape, scale
        return weights

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        shape, scale = ctx.rest
        to_products = gradient.new_empty(shape)
        rows, asked, weights = (x.numpy() for x in ctx.saved_tensors)
        own = gradient.contiguous().numpy()
        look_back(own, rows, asked, weights, scale, to_products.numpy())
        return to_products, None, None, None, None


def look(
    products: Float[np.ndarray, "Q N H"],
    rows: Int64[np.ndarray, "B T"],
    asked: Int64[np.ndarray, " R"],
    hidden: Bool[np.ndarray, "A T"],
    scale: float,
    out: Float[np.ndarray, "R K"],
    share: slice,
) -> None:
    """Write what `looked_up_attention` gives for some results."""
    _look(products, rows, asked, hidden, scale, out, share.start, share.stop)


def look_back(
    gradient: Float[np.ndarray, "R K"],
    rows: Int64[np.ndarray, "B T"],
    asked: Int64[np.ndarray, " R"],
    weights: Float[np.ndarray, "R K"],
    scale: float,
    out: Float[np.ndarray, "Q N H"],
) -> None:
    """Write the gradient of the products, from that of the weights."""
    out.fill(0)
    _look_back(gradient, rows, asked, weights, weights.dtype.type(scale), out)


@compiled
def _look(
    products: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    hidden: np.ndarray,
    scale: float,
    weights: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Some results side by side, in float64: heads are too few to fill a vector."""
    (A, T), H = hidden.shape, products.shape[2]
    x = np.zeros((T * H, LANES))
    of_head = np.empty((H, LANES))
    for start in range(first, last, LANES):
        n = min(LANES, last - start)
        for i in range(n):
            b, a, q = (start + i) // A, (start + i) % A, asked[start + i]
            for t in range(T):
                for h in range(H):
                    score = scale * products[q, rows[b, t], h]
                    x[t * H + h, i] = -np.inf if hidden[a, t] else score
        _relate(x, of_head, T)
        exponentiate(x, 0, x.size, 0.0)
        _share(x, of_head, T)
        for i in range(n):
            for k in range(T * H):
                is_hidden = hidden[(start + i) % A, k // H]
                weights[start + i, k] = 0 if is_hidden else x[k, i]


@within_loops()
def _relate(x: np.ndarray, most: np.ndarray, T: int) -> None:
    """Scores less the largest of their head's; a position sees itself at least."""
    H = len(most)
    for h in range(H):
        for i in range(LANES):
            most[h, i] = x[h, i]
        for t in range(1, T):
            for i in range(LANES):
                most[h, i] = x[t * H + h, i] if x[t * H + h, i] > most[h, i] else most[h, i]
        for t in range(T):
            for i in range(LANES):
                x[t * H + h, i] -= most[h, i]


@within_loops()
def _share(x: np.ndarray, total: np.ndarray, T: int) -> None:
    H = len(total)
    total[:] = 0
    for t in range(T):
        for h in range(H):
            for i in range(LANES):
                total[h, i] += x[t * H + h, i]
    for h in range(H):
        for i in range(LANES):
            total[h, i] = 1 / total[h, i]
    for t in range(T):
        for h in range(H):
            for i in range(LANES):
                x[t * H + h, i] *= total[h, i]


@compiled
def _look_back(
    gradient: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    weights: np.ndarray,
    scale: float,
    to_products: np.ndarray,
) -> None:
    (B, T), H, A = rows.shape, to_products.shape[2], len(asked) // len(rows)
    along = np.empty(H, weights.dtype)
    for b in range(B):
        for r in range(b * A, (b + 1) * A):
            q = asked[r]
            along[:] = 0
            for t in range(T):
                for h in range(H):
                    along[h] += weights[r, t * H + h] * gradient[r, t * H + h]
            for t in range(T):
                n = rows[b, t]
                for h in range(H):
                    to_products[q, n, h] += (
                        scale * weights[r, t * H + h] * (gradient[r, t * H + h] - along[h])
                    )
