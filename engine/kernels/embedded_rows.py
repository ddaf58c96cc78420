"""Rows of the residual stream as they begin, and the gradients of what they are made of.

Shapes: ``U`` rows, ``V`` vocabulary, ``T`` positions, ``C`` d_model.
"""

import numpy as np
from jaxtyping import Float, Int64

from engine.kernels.compiled import compiled


def embed(
    embedding: Float[np.ndarray, "V C"],
    positions: Float[np.ndarray, "T C"],
    tokens: Int64[np.ndarray, " U"],
    starts: Int64[np.ndarray, " T_"],
    out: Float[np.ndarray, "U C"],
    share: slice,
) -> None:
    """Write token plus position of some rows; those of position t begin at `starts[t]`."""
    _embed(embedding, positions, tokens, starts, out, share.start, share.stop)


def embed_back(
    gradient: Float[np.ndarray, "U C"],
    tokens: Int64[np.ndarray, " U"],
    starts: Int64[np.ndarray, " T_"],
    to_embedding: Float[np.ndarray, "V C"],
    to_positions: Float[np.ndarray, "T C"],
) -> None:
    """Write the gradients of both tables."""
    to_embedding.fill(0)
    to_positions.fill(0)
    _embed_back(gradient, tokens, starts, to_embedding, to_positions)


@compiled
def _embed(
    embedding: np.ndarray,
    positions: np.ndarray,
    tokens: np.ndarray,
    starts: np.ndarray,
    out: np.ndarray,
    first: int,
    last: int,
) -> None:
    for t in range(len(starts) - 1):
        for u in range(max(first, starts[t]), min(last, starts[t + 1])):
            token = tokens[u]
            for c in range(out.shape[1]):
                out[u, c] = embedding[token, c] + positions[t, c]


@compiled
def _embed_back(
    gradient: np.ndarray,
    tokens: np.ndarray,
    starts: np.ndarray,
    to_embedding: np.ndarray,
    to_positions: np.ndarray,
) -> None:
    for t in range(len(starts) - 1):
        for u in range(starts[t], starts[t + 1]):
            token = tokens[u]
            for c in range(gradient.shape[1]):
                to_embedding[token, c] += gradient[u, c]
                to_positions[t, c] += gradient[u, c]
