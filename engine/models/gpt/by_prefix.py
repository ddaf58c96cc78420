"""How attention of a GPT block looks back when each prefix is computed once.

Shapes: ``C`` d_model, ``U`` rows (distinct prefixes of all positions), ``S`` those that look.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.models.gathering import gathered
from engine.models.gpt.block import Block
from engine.models.prefixes import Prefixes


def attend_by_prefix(
    x: Float[Tensor, "1 U C"],
    block: Block,
    prefixes: Prefixes,
    looking: Int[Tensor, " S"] | None,
    dtype: torch.dtype,
) -> Float[Tensor, "1 S C"]:
    """The residual stream after attention, of the rows `looking` (None: all).

    Equal to `block.attend` where an example has that prefix.
    """
    attn = block.attn
    q, k, v = attn.c_attn(block.attention_input(x), dtype)[0].to(x.dtype).chunk(3, -1)
    seen, hidden = prefixes.seen, prefixes.hidden
    if looking is not None:
        x, q = x.index_select(1, looking), q.index_select(0, looking)
        seen, hidden = seen[looking], hidden[looking]
    heads = (attn.n_heads, attn.d_head)
    keys, values = (gathered(each, seen).unflatten(-1, heads) for each in (k, v))
    scores = (q.unflatten(-1, heads).unsqueeze(1) * keys).sum(-1)
    weights = attn.weigh(scores, hidden.unsqueeze(-1), keys=1)
    mixed = (weights.unsqueeze(-1) * values).sum(1).flatten(1)
    return block.add_attention(x, attn.c_proj(mixed.unsqueeze(0), dtype))
