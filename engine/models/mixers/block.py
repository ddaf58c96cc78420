"""How one layer, mixer and MLP, changes the residual stream.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from engine.models.dropout import Dropout
from engine.models.mixers.attention import Attention
from engine.models.mixers.borrowed import (
    BorrowedMamba,
    BorrowedMamba2,
    BorrowedRWKV4,
    BorrowedRWKV7,
)
from engine.models.mixers.deltanet import DeltaNet
from engine.models.mixers.gated_deltanet import GatedDeltaNet
from engine.models.mixers.gla import GatedLinearAttention
from engine.models.mixers.layers import MLP, norm
from engine.models.mixers.linear_attention import LinearAttention
from engine.models.mixers.mixer import Mixer
from engine.models.mixers.retnet import Retention
from engine.models.mixers.settings.stack import MixerSettings
from engine.models.positions import at_positions

MIXERS: Mapping[str, Callable[..., Mixer]] = {
    "attention": Attention,
    "linear_attention": LinearAttention,
    "retnet": Retention,
    "gla": GatedLinearAttention,
    "deltanet": DeltaNet,
    "gated_deltanet": GatedDeltaNet,
    "mamba": BorrowedMamba,
    "mamba2": BorrowedMamba2,
    "rwkv4": BorrowedRWKV4,
    "rwkv7": BorrowedRWKV7,
}
"""(settings, length=) → mixer, by kind."""


class Block(nn.Module):
    """Mixer and MLP, each added to the residual stream and fed through a norm."""

    def __init__(self, settings: MixerSettings, *, length: int) -> None:
        super().__init__()
        kind: Any = settings
        self.attn_norm = norm(settings)
        self.attn = MIXERS[kind.kind](settings, length=length)
        self.mlp_norm = norm(settings)
        self.mlp = MLP(settings)
        self.drop_1, self.drop_2 = Dropout(), Dropout()

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """The residual stream after the layer, at the positions `read`."""
        x = at_positions(x, read) + self.drop_1(self.attn(self.attn_norm(x), read, dtype))
        return x + self.drop_2(self.mlp(self.mlp_norm(x), dtype))
