"""How the first layer attends when few different tokens fill many examples.

Before positions mix, everything depends on (position, token) alone: there are T·V such rows, and
B·T places where they occur. Projections and query-key products are taken once for each row or
pair of rows; the examples gather scores and values. For Nanda's setting (V 114, B 3,830, T 3)
that is 342 rows instead of 11,490.

Gathers stay in the weights' type: their backward sums thousands of rows, which bfloat16 cannot.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.models.gathering import gathered
from engine.models.gpt.block import Block
from engine.models.positions import at_positions, hidden


def attend_by_table(
    rows: Float[Tensor, "T V C"],
    tokens: Int[Tensor, "B T"],
    block: Block,
    read: tuple[int, ...],
    dtype: torch.dtype,
) -> Float[Tensor, "B A C"]:
    """The residual stream after `block`'s attention at the positions `read`.

    Equal to `block.attend` on the embedded tokens.
    """
    T, V, _ = rows.shape
    heads = (block.attn.n_heads, block.attn.d_head)
    flat = rows.flatten(0, 1)
    index = tokens + torch.arange(0, T * V, V, device=tokens.device)
    q, k, v = block.attn.c_attn(block.attention_input(flat), dtype).to(flat.dtype).chunk(3, -1)
    q, k = q.unflatten(-1, heads), k.unflatten(-1, heads)
    scores = _scores(q.unflatten(0, (T, V)), k, tokens, index, read)
    mask = hidden(T, read, tokens.device)
    weights = block.attn.weigh(scores, None if mask is None else mask.unsqueeze(-1), keys=2)
    values = gathered(v, index).unflatten(-1, heads)
    x = gathered(flat, at_positions(index, read))
    return block.add_attention(x, block.attn.c_proj(_mix(weights, values).flatten(2), dtype))


def _mix(
    weights: Float[Tensor, "B A T H"], values: Float[Tensor, "B T H D"]
) -> Float[Tensor, "B A H D"]:
    """Values weighted by attention; B·H tiny products pay from the second read position on."""
    if weights.shape[1] == 1:
        return (weights.squeeze(1).unsqueeze(-1) * values).sum(1, keepdim=True)
    return (weights.permute(0, 3, 1, 2) @ values.transpose(1, 2)).transpose(1, 2)


def _scores(
    q: Float[Tensor, "T V H D"],
    k: Float[Tensor, "N H D"],
    tokens: Int[Tensor, "B T"],
    index: Int[Tensor, "B T"],
    read: tuple[int, ...],
) -> Float[Tensor, "B A T H"]:
    """Products of the queries at `read` with all keys, gathered from those of all rows.

    Where a table of products would far outgrow the gathered keys, queries and keys are gathered.
    """
    (B, T), A, (_, V, H, D) = tokens.shape, len(read), q.shape
    q = at_positions(q.unsqueeze(0), read).squeeze(0).flatten(0, 1)
    asked = at_positions(tokens, read) + torch.arange(0, A * V, V, device=tokens.device)
    if A * V * T * V <= 4 * B * T * D:
        products = torch.einsum("qhd,khd->qkh", q, k).flatten(0, 1)
        return gathered(products, asked.unsqueeze(-1) * (T * V) + index.unsqueeze(1))
    queries = gathered(q.flatten(1), asked).unflatten(-1, (H, D))
    keys = gathered(k.flatten(1), index).unflatten(-1, (H, D))
    return (queries.transpose(1, 2) @ keys.permute(0, 2, 3, 1)).permute(0, 2, 3, 1)
