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

from engine.kernels.compiled import compiled
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
        weights = look_up(products.detach().contiguous(), rows, asked, hidden, scale)
        ctx.save_for_backward(rows, asked, weights)
        ctx.rest = products.shape, scale
        return weights

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        back = look_back(gradient.contiguous(), *ctx.saved_tensors, *ctx.rest)
        return back, None, None, None, None


def look_up(
    products: Float[Tensor, "Q N H"],
    rows: Int64[Tensor, "B T"],
    asked: Int64[Tensor, " R"],
    hidden: Bool[Tensor, "A T"],
    scale: float,
) -> Float[Tensor, "R K"]:
    """`looked_up_attention` of contiguous products, without autograd."""
    R, T, H = len(asked), rows.shape[1], products.shape[2]
    weights = products.new_empty(R, T * H)
    arrays = [x.numpy() for x in (products, rows, asked, hidden)]
    by = products.numpy().dtype.type(scale)

    def part(share: slice, _: int) -> None:
        own = weights[share]
        _look(*arrays, by, own.numpy(), share.start)
        # torch takes many exponentials at once, a loop takes them one by one
        _share(own.exp_().numpy(), H)

    by_shares(part, len(asked))
    return weights


def look_back(
    gradient: Float[Tensor, "R K"],
    rows: Int64[Tensor, "B T"],
    asked: Int64[Tensor, " R"],
    weights: Float[Tensor, "R K"],
    shape: tuple[int, int, int],
    scale: float,
) -> Float[Tensor, "Q N H"]:
    """The gradient of the products, of that `shape`, from that of the weights."""
    to_products = gradient.new_zeros(shape)
    _look_back(
        gradient.numpy(),
        rows.numpy(),
        asked.numpy(),
        weights.numpy(),
        weights.numpy().dtype.type(scale),
        to_products.numpy(),
    )
    return to_products


@compiled
def _look(
    products: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    hidden: np.ndarray,
    scale: float,
    weights: np.ndarray,
    first: int,
) -> None:
    """How far each score lies below the largest that its head sees there, from `first` on."""
    (A, T), H = hidden.shape, products.shape[2]
    for r in range(len(weights)):
        b, a, q = (first + r) // A, (first + r) % A, asked[first + r]
        for h in range(H):
            most = -np.inf
            for t in range(T):
                score = -np.inf if hidden[a, t] else scale * products[q, rows[b, t], h]
                weights[r, t * H + h] = score
                if score > most:
                    most = score
            for t in range(T):
                weights[r, t * H + h] -= most


@compiled
def _share(weights: np.ndarray, n_heads: int) -> None:
    R, K = weights.shape
    for r in range(R):
        for h in range(n_heads):
            total = weights[r, h]
            for k in range(h + n_heads, K, n_heads):
                total += weights[r, k]
            for k in range(h, K, n_heads):
                weights[r, k] /= total


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
    for r in range(B * A):
        b, q = r // A, asked[r]
        for h in range(H):
            along = scale * 0
            for t in range(T):
                along += weights[r, t * H + h] * gradient[r, t * H + h]
            for t in range(T):
                to_products[q, rows[b, t], h] += (
                    scale * weights[r, t * H + h] * (gradient[r, t * H + h] - along)
                )
