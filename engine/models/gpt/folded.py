"""The tables of one layer whose two last matrices fold into one, with their gradient written out.

For each row (position, token) that occurs, and each head, what its value becomes behind
attention's output projection and, side by side, behind W_in and Uᵀ:

    joined = (W_in | Uᵀ)        behind = O · joined
    table_{n,h} = v_{n,h} · behind_h
    base_q = (x_q + b_O) · joined + (b_in | U b_out)
    through = W_out Uᵀ

These are two dozen products of small matrices. Told to autograd one by one, their calls took as
long as their arithmetic; as one function whose gradient is written down they are called once each.

Shapes: ``N`` rows that occur, ``C`` d_model, ``H`` heads, ``D`` d_head, ``Q`` rows that are read,
``F`` d_mlp, ``V`` vocabulary, ``W`` F and V filled up to whole panels, ``P`` panels, ``M`` = N·H.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from engine.models.gpt.block import Block
from engine.models.gpt.rectified import filled_up, from_panels, in_panels, to_panels


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


class _Weights(NamedTuple):
    """What a layer's tables are made of; biases are None where there are none."""

    qkv: Float[Tensor, "C 3C"]
    qkv_bias: Float[Tensor, " 3C"] | None
    out: Float[Tensor, "C C"]
    out_bias: Float[Tensor, " C"] | None
    w_in: Float[Tensor, "C F"]
    in_bias: Float[Tensor, " F"] | None
    w_out: Float[Tensor, "F C"]
    mlp_bias: Float[Tensor, " C"] | None
    unembedding: Float[Tensor, "V C"]


def folded_tables(
    x: Float[Tensor, "N C"],
    block: Block,
    unembedding: Float[Tensor, "V C"],
    queries: Int[Tensor, " Q"],
    reference: int | None,
    dtype: torch.dtype,
) -> Folded:
    """The tables, from the embedded rows; products are of `dtype`.

    Where there is a `reference`, a row that all results see, values are told relative to its own.
    """
    attention, mlp = block.attn, block.mlp
    weights = _Weights(
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
    return Folded(*_FoldedTables.apply(queries, reference, attention.n_heads, dtype, x, *weights))


class _FoldedTables(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        reference: int | None,
        n_heads: int,
        dtype: torch.dtype,
        x: Tensor,
        *parameters: Tensor | None,
    ) -> tuple[Tensor, ...]:
        w, N = _Weights(*parameters), len(x)  # pyright: ignore[reportArgumentType]
        bias = None if w.qkv_bias is None else w.qkv_bias.to(dtype)
        qkv = functional.linear(x.to(dtype), w.qkv.to(dtype).T, bias)
        q, k, v = qkv.view(N, 3, n_heads, -1).to(x.dtype).unbind(1)
        asked, start = q[queries], x[queries]
        if w.out_bias is not None:
            start = start + w.out_bias
        given = None
        if reference is not None:
            given = v[reference]
            start = start + given.flatten() @ w.out
            v = v - given
        values = v.to(dtype).transpose(0, 1)
        joined = torch.cat([in_panels(w.w_in), in_panels(w.unembedding.T)], 1)
        behind = w.out.to(dtype) @ joined.to(dtype)
        rows = torch.bmm(values, behind.view(n_heads, -1, behind.shape[1]))
        base = start @ joined
        if w.in_bias is not None and w.mlp_bias is not None:
            base += torch.cat([in_panels(w.in_bias), in_panels(w.unembedding @ w.mlp_bias)])
        ctx.save_for_backward(
            x, queries, asked, k, values, given, start, joined, behind, *parameters
        )
        ctx.rest = reference, dtype
        return (
            (asked.transpose(0, 1) @ k.permute(1, 2, 0)).permute(1, 2, 0).contiguous(),
            to_panels(rows, x.dtype),
            to_panels(base[None], x.dtype),
            (w.w_out.to(dtype) @ w.unembedding.to(dtype).T).to(x.dtype),
        )

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, to_products: Tensor, to_table: Tensor, to_base: Tensor, to_through: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, queries, asked, k, values, given, start, joined, behind, *parameters = ctx.saved_tensors
        w, (reference, dtype), (H, N, D) = _Weights(*parameters), ctx.rest, values.shape
        base = from_panels(to_base, 1, x.dtype)[0]
        to_start = base @ joined.T
        to_rows = from_panels(to_table, H, dtype)
        to_behind = torch.bmm(values.mT, to_rows).flatten(0, 1)
        to_values = torch.bmm(to_rows, behind.view(H, D, -1).mT).transpose(0, 1)
        to_joined = (w.out.to(dtype).T @ to_behind).to(x.dtype).addmm_(start.T, base)
        to_out = (to_behind @ joined.to(dtype).T).to(x.dtype)
        to_qkv = torch.zeros(N, 3, H, D, dtype=dtype)
        by_head = to_products.permute(2, 0, 1)
        to_qkv[queries, 0] = (by_head @ k.transpose(0, 1)).transpose(0, 1).to(dtype)
        to_qkv[:, 1] = (by_head.mT @ asked.transpose(0, 1)).transpose(0, 1)
        to_qkv[:, 2] = to_values
        if given is not None:
            of_start = to_start.sum(0)
            to_out.addr_(given.flatten(), of_start)
            to_given = (w.out @ of_start).view(H, D) - to_values.sum(0, dtype=x.dtype)
            to_qkv[reference, 2] = (to_values[reference].to(x.dtype) + to_given).to(dtype)
        to_qkv = to_qkv.flatten(1)
        to_x = (to_qkv @ w.qkv.to(dtype).T).to(x.dtype)
        to_x[queries] += to_start
        F, V = to_through.shape
        of_logits = filled_up(F)
        through = to_through.to(dtype)
        to_unembedding = to_joined[:, of_logits : of_logits + V].T
        to_unembedding = to_unembedding + (through.T @ w.w_out.to(dtype)).to(x.dtype)
        of_bias, to_mlp_bias = base.sum(0), None
        if w.mlp_bias is not None:
            beside = of_bias[of_logits : of_logits + V]
            to_unembedding = to_unembedding + torch.outer(beside, w.mlp_bias)
            to_mlp_bias = beside @ w.unembedding
        gradients = _Weights(
            qkv=(x.to(dtype).T @ to_qkv).to(x.dtype),
            qkv_bias=None if w.qkv_bias is None else to_qkv.sum(0, dtype=x.dtype),
            out=to_out,
            out_bias=None if w.out_bias is None else to_start.sum(0),
            w_in=to_joined[:, :F],
            in_bias=None if w.in_bias is None else of_bias[:F],
            w_out=(through @ w.unembedding.to(dtype)).to(x.dtype),
            mlp_bias=to_mlp_bias,
            unembedding=to_unembedding,
        )
        return None, None, None, None, to_x, *gradients
