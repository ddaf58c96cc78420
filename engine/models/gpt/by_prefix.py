"""How attention of a GPT block looks back when each prefix is computed once.

Shapes: ``C`` d_model, ``H`` heads, ``D`` d_head, ``U`` rows (distinct prefixes of all positions),
``S`` those that look, ``M`` places that every row sees.
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
    *,
    before: tuple[Float[Tensor, "1 H M D"], Float[Tensor, "1 H M D"]] | None = None,
) -> Float[Tensor, "1 S C"]:
    """The residual stream after attention, of the rows `looking` (None: all).

    Equal to `block.attend` where an example has that prefix. Keys and values `before` the row's
    own are the same for all.
    """
    attn = block.attn
    q, k, v = attn.c_attn(block.attention_input(x), dtype)[0].to(x.dtype).chunk(3, -1)
    seen, hidden = prefixes.seen, prefixes.hidden
    if looking is not None:
        x, q = x.index_select(1, looking), q.index_select(0, looking)
        seen, hidden = seen[looking], hidden[looking]
    heads = (attn.n_heads, attn.d_head)
    keys, values = (gathered(each, seen).unflatten(-1, heads) for each in (k, v))
    q = q.unflatten(-1, heads)
    scores = (q.unsqueeze(1) * keys).sum(-1)
    if before is None:
        weights = attn.weigh(scores, hidden.unsqueeze(-1), keys=1)
        mixed = (weights.unsqueeze(-1) * values).sum(1)
    else:
        common_keys, common_values = (each[0].to(x.dtype) for each in before)
        common = torch.einsum("shd,hmd->smh", q, common_keys)
        n_common = common.shape[1]
        mask = torch.nn.functional.pad(hidden, (n_common, 0))  # what is common is never hidden
        weights = attn.weigh(torch.cat([common, scores], 1), mask.unsqueeze(-1), keys=1)
        mixed = (weights[:, n_common:].unsqueeze(-1) * values).sum(1)
        mixed = mixed + torch.einsum("smh,hmd->shd", weights[:, :n_common], common_values)
    return block.add_attention(x, attn.c_proj(mixed.flatten(1).unsqueeze(0), dtype))
