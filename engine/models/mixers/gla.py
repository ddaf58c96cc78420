"""How positions read a memory whose channels fade at rates that the tokens choose.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.mixers.layers import Linear, RMSNorm
from engine.models.mixers.mixer import Mixer, join_heads, split_heads
from engine.models.mixers.settings.gla import GLASettings
from engine.models.positions import at_positions
from engine.models.recurrences.channel_decay import channel_decay


class GatedLinearAttention(Mixer):
    """Linear attention with a decay for each key channel, from a low-rank map of the token.

    Source: Yang et al. 2023, section 4.4; parameters as in flash-linear-attention.
    """

    def __init__(self, settings: GLASettings, *, length: int) -> None:
        super().__init__()
        del length
        C, K, D = settings.d_model, settings.d_key, settings.d_value
        self.n_heads = settings.n_heads
        self.temperature = settings.gate_temperature
        self.q_proj = Linear(C, K)
        self.k_proj = Linear(C, K)
        self.v_proj = Linear(C, D)
        self.g_proj = Linear(C, D)
        rank = settings.gate_rank
        self.gk_proj = nn.ModuleList([Linear(C, rank), Linear(rank, K, bias=True)])
        self.g_norm_swish_gate = RMSNorm(D // self.n_heads)
        self.o_proj = Linear(D, C)

    def log_decay(self, x: Float[Tensor, "B T C"]) -> Float[Tensor, "B H T K"]:
        """The logarithm of what each channel keeps at each step."""
        for part in self.gk_proj:
            x = part(x)
        return split_heads(F.logsigmoid(x) / self.temperature, self.n_heads)

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        now = at_positions(x, read)
        q = split_heads(self.q_proj(now), self.n_heads)
        k = split_heads(self.k_proj(x), self.n_heads)
        v = split_heads(self.v_proj(x), self.n_heads)
        q = q * q.shape[-1] ** -0.5
        mixed = channel_decay(q, k, v, self.log_decay(x), read)
        gate = split_heads(self.g_proj(now, dtype), self.n_heads)
        return self.o_proj(join_heads(self.g_norm_swish_gate(mixed) * F.silu(gate)), dtype)
