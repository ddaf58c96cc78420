"""How positions read a memory that corrects itself.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from engine.models.mixers.layers import Linear, RMSNorm, ShortConvolution, unit
from engine.models.mixers.mixer import Mixer, join_heads, split_heads
from engine.models.mixers.settings.deltanet import DeltaNetSettings
from engine.models.recurrences.delta import delta_rule
from engine.models.recurrences.times import at_times


class DeltaNet(Mixer):
    """The delta rule on short-convolved queries, keys of length 1, and values.

    Source: Yang et al. 2024, section 3.3; parameters as in flash-linear-attention.
    """

    captures = False  # not seen to work: its triangular solve

    def __init__(self, settings: DeltaNetSettings, *, length: int) -> None:
        super().__init__()
        C, K, D = settings.d_model, settings.d_key, settings.d_value
        self.n_heads = settings.n_heads
        self.strongest = 2.0 if settings.negative_eigenvalues else 1.0
        width = min(settings.conv_width, length)
        self.q_proj = Linear(C, K)
        self.k_proj = Linear(C, K)
        self.v_proj = Linear(C, D)
        self.b_proj = Linear(C, self.n_heads)
        self.q_conv1d = ShortConvolution(K, width)
        self.k_conv1d = ShortConvolution(K, width)
        self.v_conv1d = ShortConvolution(D, width)
        self.o_norm = RMSNorm(D // self.n_heads)
        self.o_proj = Linear(D, C)

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        q = split_heads(self.q_conv1d(self.q_proj(x)), self.n_heads)
        k = split_heads(self.k_conv1d(self.k_proj(x)), self.n_heads)
        v = split_heads(self.v_conv1d(self.v_proj(x)), self.n_heads)
        q = unit(at_times(q, read)) * q.shape[-1] ** -0.5
        beta = self.b_proj(x).sigmoid().mT * self.strongest
        mixed = delta_rule(q, unit(k), v, beta, read)
        return self.o_proj(join_heads(self.o_norm(mixed)), dtype)
