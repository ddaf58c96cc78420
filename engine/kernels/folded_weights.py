"""What the tables of one layer are made of: known to those who have no loops, too.

Shapes: ``V`` vocabulary, ``T`` positions, ``C`` d_model, ``F`` d_mlp, ``N`` rows that occur,
``Q`` of them that are read.
"""

from typing import NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor


class FoldedWeights(NamedTuple):
    """A layer's weights; biases are None where there are none."""

    embedding: Float[Tensor, "V C"]
    positions: Float[Tensor, "T C"]
    qkv: Float[Tensor, "C 3C"]
    qkv_bias: Float[Tensor, " 3C"] | None
    out: Float[Tensor, "C C"]
    out_bias: Float[Tensor, " C"] | None
    w_in: Float[Tensor, "C F"]
    in_bias: Float[Tensor, " F"] | None
    w_out: Float[Tensor, "F C"]
    mlp_bias: Float[Tensor, " C"] | None
    unembedding: Float[Tensor, "V C"]


class Rows(NamedTuple):
    """Which rows occur: the token and the position of each, and those that are read."""

    tokens: Int64[Tensor, " N"]
    positions: Int64[Tensor, " N"]
    queries: Int64[Tensor, " Q"]


def or_zeros(weights: FoldedWeights) -> list[Tensor]:
    """The weights without the way to them; zeros for biases that are missing."""
    found: list[Tensor] = []
    for each in weights:
        # a bias follows its matrix
        found.append(found[-1].new_zeros(found[-1].shape[1]) if each is None else each.detach())
    return [each.contiguous() for each in found]
