"""How one layer without norms computes its logits when few different tokens fill many examples.

Nothing but the ReLU stands between such a network's tables and its logits, so that each product
can be taken before positions are mixed, on the few rows that occur, instead of after, on every
example:

    hidden = ReLU(b + x_a W_in + Σ_{t,h} weight_{t,h} · v_{t,h} O_h W_in)
    logits = (x_a + Σ_{t,h} weight_{t,h} · v_{t,h} O_h) Uᵀ + hidden W_out Uᵀ

O_h W_in is one product of two weights, v_{t,h} O_h W_in one row for each (position, token, head).
What remains for an example is a weighted sum of T·H such rows and the product of its hidden
layer. The weights of a head add up to 1, so that values may be told relative to those of a row
that all examples see, such as that of an equals sign, which leaves (T − 1)·H rows. For Nanda's
setting that leaves 1.6 of the 3.7 GFLOP that a step has with the savings of
`engine.models.gpt.table`. Sums are taken in another order than in `GPT.forward`; the values are
those of the same network, which the tests compare in float64.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``F`` d_mlp,
``H`` heads, ``D`` d_head, ``N`` rows of (position, token) that occur, ``Q`` those of them that
are read, ``V`` vocabulary, ``R`` results (example, read position), ``K`` = T·H,
``M`` rows of a table (row that occurs, head).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.kernels.looked_up import looked_up_attention
from engine.kernels.row_sums import Places, summed_rows
from engine.models.gpt.block import Block
from engine.models.gpt.folded import Folded
from engine.models.gpt.layers import MLP
from engine.models.gpt.occurring import LookedUp, Occurring, Reference
from engine.models.gpt.rectified import rectified_logits
from engine.models.positions import unseen_from


class Tables(NamedTuple):
    """What the weights alone give, for the rows that occur and those that are read."""

    products: Float[Tensor, "Q N H"]
    """Each query with each key."""
    behind: tuple[tuple[Float[Tensor, "M W"], Float[Tensor, "Q W"]], ...]
    """For each matrix behind attention: the table of (row, head), and the start of each query."""

    def detached(self) -> "Tables":
        """The same without the way to the weights."""
        pairs = tuple((table.detach(), base.detach()) for table, base in self.behind)
        return Tables(self.products.detach(), pairs)


def folds(mlp: MLP, unembedding: Float[Tensor, "V C"]) -> bool:
    """Whether W_out Uᵀ may be one matrix, and saves products (`engine.models.gpt.folded`)."""
    (V, C), F = unembedding.shape, mlp.c_fc.weight.shape[1]
    return mlp.rectifies and F * V < F * C + C * V


def one_layer_tables(
    x: Float[Tensor, "N C"],
    block: Block,
    read: tuple[int, ...],
    *,
    occurring: Occurring,
    dtype: torch.dtype,
) -> Tables:
    """The tables behind the logits at the positions `read`, from the embedded rows that occur."""
    queries, reference = occurring.of_positions(read), occurring.reference(read)
    products, values = _products(x, block, queries, dtype)
    start = x[queries]
    if reference is not None:
        values, start = _relative(values, start, reference, block)
    behind = _Behind(start, values, block)
    within = behind(block.mlp.c_fc.weight, block.mlp.c_fc.bias)
    return Tables(products, (within, behind.residual()))


def one_layer_logits(
    tables: Tables | Folded,
    block: Block,
    unembedding: Float[Tensor, "V C"],
    tokens: Int[Tensor, "B T"],
    read: tuple[int, ...],
    *,
    occurring: Occurring,
    dtype: torch.dtype,
) -> Float[Tensor, "B A V"]:
    """Logits at the positions `read`, which the tables were made for."""
    looked_up = occurring.looked_up(tokens, read)
    weights = _weights(tables.products, block, looked_up, read)
    summed = occurring.reference_last(weights, read)
    places = Places(summed, looked_up.by_head, looked_up.asked)
    if isinstance(tables, Folded):
        out = rectified_logits(tables.table, tables.base, places, tables.through, dtype)
    else:
        mlp = block.mlp
        within, residual = (summed_rows(*pair, places) for pair in tables.behind)
        out = (residual + mlp.c_proj(mlp.activation(within), dtype)) @ unembedding.T
    return out.view(len(tokens), len(read), -1)


def one_layer_attention(
    x: Float[Tensor, "N C"],
    block: Block,
    tokens: Int[Tensor, "B T"],
    *,
    occurring: Occurring,
    dtype: torch.dtype,
) -> Float[Tensor, "B H T T"]:
    """The attention maps of all examples, from the embedded rows that occur."""
    everywhere = tuple(range(tokens.shape[1]))
    looked_up = occurring.looked_up(tokens, everywhere)
    products, _ = _products(x, block, looked_up.queries, dtype)
    weights = _weights(products, block, looked_up, everywhere)
    return weights.view(*tokens.shape, len(everywhere), -1).permute(0, 3, 1, 2)


class _Behind:
    """What each row of values, and each start, becomes behind a matrix after attention."""

    def __init__(
        self, start: Float[Tensor, "Q C"], values: Float[Tensor, "N H D"], block: Block
    ) -> None:
        bias = block.attn.c_proj.bias
        self._start = start if bias is None else start + bias
        self._values, self._out = values, block.attn.c_proj.weight

    def __call__(
        self, matrix: Float[Tensor, "C W"], bias: Float[Tensor, " W"] | None
    ) -> tuple[Float[Tensor, "M W"], Float[Tensor, "Q W"]]:
        """Behind (residual stream after attention) · matrix + bias."""
        start, dtype = self._start @ matrix, self._values.dtype
        table = self._table(self._out.to(dtype) @ matrix.to(dtype))
        return table, start if bias is None else start + bias

    def residual(self) -> tuple[Float[Tensor, "M C"], Float[Tensor, "Q C"]]:
        """Behind the residual stream after attention itself."""
        return self._table(self._out), self._start

    def _table(self, behind: Float[Tensor, "C W"]) -> Float[Tensor, "M W"]:
        _, H, D = self._values.shape
        by_head = behind.to(self._values.dtype).view(H, D, -1)
        table = torch.bmm(self._values.transpose(0, 1), by_head).transpose(0, 1)
        return table.to(self._start.dtype).flatten(0, 1)


def _relative(
    values: Float[Tensor, "N H D"],
    start: Float[Tensor, "Q C"],
    reference: Reference,
    block: Block,
) -> tuple[Float[Tensor, "N H D"], Float[Tensor, "Q C"]]:
    """Values less those of the reference, and starts that hold what these give alone."""
    given = values[reference.row].to(start.dtype)
    rest = (values.to(start.dtype) - given).to(values.dtype)
    return rest, start + given.flatten() @ block.attn.c_proj.weight


def _products(
    x: Float[Tensor, "N C"], block: Block, queries: Int[Tensor, " Q"], dtype: torch.dtype
) -> tuple[Float[Tensor, "Q N H"], Float[Tensor, "N H D"]]:
    """Each query with each key, and the values of all rows."""
    heads = (block.attn.n_heads, block.attn.d_head)
    q, k, v = (part.unflatten(-1, heads) for part in block.attn.c_attn(x, dtype).chunk(3, -1))
    return torch.einsum("qhd,nhd->qnh", q[queries].to(x.dtype), k.to(x.dtype)), v


def _weights(
    products: Float[Tensor, "Q N H"], block: Block, looked_up: LookedUp, read: tuple[int, ...]
) -> Float[Tensor, "R K"]:
    """Where each read position looks, heads within positions."""
    T = looked_up.rows.shape[1]
    unseen, scale = unseen_from(read, T), block.attn.d_head**-0.5
    return looked_up_attention(products, looked_up.rows, looked_up.asked, unseen, scale)
