"""The tables of one layer whose two last matrices fold into one.

For each row (position, token) that occurs, and each head, what its value becomes behind
attention's output projection and, side by side, behind W_in and Uᵀ:

    joined = (W_in | Uᵀ)        behind = O · joined
    table_{n,h} = v_{n,h} · behind_h
    base_q = (x_q + b_O) · joined + (b_in | U b_out)
    through = W_out Uᵀ

Where all results see one row, values are told relative to its own, which `base` holds.

Shapes: ``N`` rows that occur, ``C`` d_model, ``H`` heads, ``Q`` rows that are read, ``F`` d_mlp,
``V`` vocabulary, ``P`` panels, those of F before those of V, each filled up to whole ones;
``M`` = N·H.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from engine.kernels.folded_weights import FoldedWeights
from engine.models.gpt.block import Block
from engine.models.gpt.occurring import Occurring
from engine.models.gpt.rectified import in_panels, to_panels


class Folded(NamedTuple):
    """What the weights alone give."""

    products: Float[Tensor, "Q N H"]
    """Each query with each key."""
    table: Float[Tensor, "P M 64"]
    base: Float[Tensor, "P Q 64"]
    through: Float[Tensor, "F V"]

    def detached(self) -> "Folded":
        """The same without the way to the weights."""
        return Folded(*(each.detach() for each in self))

    def copied(self) -> "Folded":
        """The same in memory of its own."""
        return Folded(*(each.clone() for each in self))


def folded_tables(
    embedding: Float[Tensor, "V C"],
    positions: Float[Tensor, "T C"],
    block: Block,
    unembedding: Float[Tensor, "V C"],
    occurring: Occurring,
    read: tuple[int, ...],
    dtype: torch.dtype,
) -> Folded:
    """The tables, by compiled loops; factors of their products are of `dtype`."""
    if torch.float64 in (embedding.dtype, dtype):
        return folded_tables_by_torch(embedding, positions, block, unembedding, occurring, read)
    attention, mlp = block.attn, block.mlp
    weights = FoldedWeights(
        embedding,
        positions,
        attention.c_attn.weight,
        attention.c_attn.bias,
        attention.c_proj.weight,
        attention.c_proj.bias,
        mlp.c_fc.weight,
        mlp.c_fc.bias,
        mlp.c_proj.weight,
        mlp.c_proj.bias,
        unembedding,
    )
    return Folded(*_FoldedTables.apply(occurring, read, attention.n_heads, dtype, *weights))


def folded_tables_by_torch(
    embedding: Float[Tensor, "V C"],
    positions: Float[Tensor, "T C"],
    block: Block,
    unembedding: Float[Tensor, "V C"],
    occurring: Occurring,
    read: tuple[int, ...],
) -> Folded:
    """The same by operations of torch, in the weights' own type: what the loops are held to."""
    attention, mlp = block.attn, block.mlp
    x = positions[occurring.positions] + embedding[occurring.tokens]
    queries, reference = occurring.of_positions(read), occurring.reference(read)
    heads = (attention.n_heads, attention.d_head)
    q, k, v = (part.unflatten(-1, heads) for part in attention.c_attn(x, x.dtype).chunk(3, -1))
    start = x[queries]
    if attention.c_proj.bias is not None:
        start = start + attention.c_proj.bias
    if reference is not None:
        given = v[reference.row]
        start = start + given.flatten() @ attention.c_proj.weight
        v = v - given
    joined = torch.cat([in_panels(mlp.c_fc.weight), in_panels(unembedding.T)], 1)
    behind = (attention.c_proj.weight @ joined).view(*heads, -1)
    base = start @ joined
    if mlp.c_fc.bias is not None and mlp.c_proj.bias is not None:
        of_logits = unembedding @ mlp.c_proj.bias
        base = base + torch.cat([in_panels(mlp.c_fc.bias), in_panels(of_logits)])
    return Folded(
        torch.einsum("qhd,nhd->qnh", q[queries], k),
        to_panels(torch.bmm(v.transpose(0, 1), behind)),
        to_panels(base[None]),
        mlp.c_proj.weight @ unembedding.T,
    )


class _FoldedTables(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        occurring: Occurring,
        read: tuple[int, ...],
        n_heads: int,
        dtype: torch.dtype,
        *weights: Tensor | None,
    ) -> tuple[Tensor, ...]:
        # Numba is imported where its loops are called
        from engine.kernels.folded_tables import tables_of

        ctx.lacking = [i for i, each in enumerate(weights) if each is None]
        reference = occurring.reference(read)
        tables, ctx.made = tables_of(
            FoldedWeights(*weights),  # pyright: ignore[reportArgumentType]
            occurring.read_rows(read),
            n_heads=n_heads,
            reference=None if reference is None else reference.row,
            dtype=dtype,
        )
        return tables

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        from engine.kernels.folded_tables import gradients_of

        found = gradients_of(ctx.made, *gradients)
        own = [None if i in ctx.lacking else x for i, x in enumerate(found)]
        return None, None, None, None, *own
