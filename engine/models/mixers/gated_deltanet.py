"""How positions read a memory that fades and corrects itself.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.mixers.layers import Linear, RMSNorm, ShortConvolution, unit
from engine.models.mixers.mixer import Mixer, join_heads, split_heads
from engine.models.mixers.settings.gated_deltanet import GatedDeltaNetSettings
from engine.models.positions import at_positions
from engine.models.recurrences.delta import gated_delta_rule
from engine.models.recurrences.times import at_times


class GatedDeltaNet(Mixer):
    """The gated delta rule, with the parameters of Qwen3-Next, whose weights it loads.

    Rows of `in_proj_qkvz` are, head by head, its queries, keys, values and output gate; those of
    `in_proj_ba` its β and its decay.

    Source: Yang et al. 2024 (Gated DeltaNet), section 3.4.
    """

    captures = False  # not seen to work: its triangular solve

    def __init__(self, settings: GatedDeltaNetSettings, *, length: int) -> None:
        super().__init__()
        C, H, D = settings.d_model, settings.n_heads, settings.d_value
        self.widths = [settings.d_key, settings.d_key, D]
        self.n_heads = H
        self.strongest = 2.0 if settings.negative_eigenvalues else 1.0
        self.in_proj_qkvz = Linear(C, sum(self.widths) + D)
        self.in_proj_ba = Linear(C, 2 * H)
        self.conv1d = ShortConvolution(sum(self.widths), min(settings.conv_width, length))
        self.A_log = nn.Parameter(torch.empty(H))
        self.dt_bias = nn.Parameter(torch.empty(H))
        self.norm = RMSNorm(D // H)
        self.out_proj = Linear(D, C)

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        *qkv, gate = self.projected(x)
        mixed = self.conv1d(torch.cat([part.flatten(2) for part in qkv], dim=-1))
        q, k, v = (split_heads(part, self.n_heads) for part in mixed.split(self.widths, -1))
        q = unit(at_times(q, read)) * q.shape[-1] ** -0.5
        beta, log_decay = self.rates(x)
        out = gated_delta_rule(q, unit(k), v, beta, log_decay, read)
        gate = at_positions(gate, read).transpose(1, 2)
        return self.out_proj(join_heads(self.norm(out) * F.silu(gate)), dtype)

    def projected(self, x: Float[Tensor, "B T C"]) -> tuple[Tensor, ...]:
        """Queries, keys, values and output gate, each (B, T, H, width of a head)."""
        D = self.widths[-1]
        widths = [width // self.n_heads for width in (*self.widths, D)]
        heads = self.in_proj_qkvz(x).unflatten(-1, (self.n_heads, -1))
        return heads.split(widths, -1)

    def rates(
        self, x: Float[Tensor, "B T C"]
    ) -> tuple[Float[Tensor, "B H T"], Float[Tensor, "B H T"]]:
        """How far each head corrects itself at each step, and the log of what it keeps."""
        b, a = self.in_proj_ba(x).unflatten(-1, (self.n_heads, 2)).unbind(-1)
        log_decay = -self.A_log.exp() * F.softplus(a + self.dt_bias)
        return b.sigmoid().mT * self.strongest, log_decay.mT
