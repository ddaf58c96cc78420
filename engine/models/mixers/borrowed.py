"""How a hybrid's layers use the mixers of networks that have blocks of their own.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model.

Each is the module of its own network, and starts as it does there in the same layer.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from engine.models.mamba.network import MambaMixer
from engine.models.mamba.network import start as mamba_start
from engine.models.mamba2.network import Mamba2Mixer
from engine.models.mamba2.network import start as mamba2_start
from engine.models.mixers.mixer import Mixer
from engine.models.mixers.settings.borrowed import (
    Mamba2LayerSettings,
    MambaLayerSettings,
    RWKV4LayerSettings,
    RWKV7LayerSettings,
)
from engine.models.recurrent import state_space
from engine.models.rwkv4 import network as rwkv4
from engine.models.rwkv7.start import start as rwkv7_start
from engine.models.rwkv7.time_mixing import TimeMixing


class _StateSpace(Mixer):
    """Projects the stream and mixes what comes of it."""

    mixer: state_space.Mixer

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        return self.mixer.mix(self.mixer.in_proj(x, dtype), read, dtype)


class BorrowedMamba(_StateSpace):
    """Mamba's filter, selective recurrence and gate."""

    def __init__(self, settings: MambaLayerSettings, *, length: int) -> None:
        super().__init__()
        del length
        self.own = settings.own
        self.mixer = MambaMixer(self.own)

    def start(
        self, name: str, parameter: Tensor, generator: torch.Generator, *, scale: float, depth: int
    ) -> Tensor:
        """See `Mixer.start`."""
        del scale  # its own settings have it
        return mamba_start(f"backbone.layers.{depth}.{name}", parameter, self.own, generator)


class BorrowedMamba2(_StateSpace):
    """Mamba-2's filter, masked quadratic form and gated norm."""

    def __init__(self, settings: Mamba2LayerSettings, *, length: int) -> None:
        super().__init__()
        del length
        self.own = settings.own
        self.mixer = Mamba2Mixer(self.own)

    def start(
        self, name: str, parameter: Tensor, generator: torch.Generator, *, scale: float, depth: int
    ) -> Tensor:
        """See `Mixer.start`."""
        del scale  # its own settings have it
        return mamba2_start(f"backbone.layers.{depth}.{name}", parameter, self.own, generator)


class BorrowedRWKV4(Mixer):
    """RWKV-4's time mixing; the block's MLP stands where its channel mixing would."""

    def __init__(self, settings: RWKV4LayerSettings, *, length: int) -> None:
        super().__init__()
        del length
        self.own = settings.own
        self.attention = rwkv4.TimeMixing(self.own)

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        return self.attention(x, read, dtype)

    def start(
        self, name: str, parameter: Tensor, generator: torch.Generator, *, scale: float, depth: int
    ) -> Tensor:
        """See `Mixer.start`."""
        del scale  # its own settings have it
        return rwkv4.start(f"rwkv.blocks.{depth}.{name}", parameter, self.own, generator)


class BorrowedRWKV7(Mixer):
    """RWKV-7's time mixing as its first layer has it: values are drawn to no other layer's."""

    captures = False  # not seen to work: its triangular solve

    def __init__(self, settings: RWKV7LayerSettings, *, length: int) -> None:
        super().__init__()
        del length
        self.own = settings.own
        self.att = TimeMixing(self.own, first=True)

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        mixed, _ = self.att(x, None, read, dtype)
        return mixed

    def start(
        self, name: str, parameter: Tensor, generator: torch.Generator, *, scale: float, depth: int
    ) -> Tensor:
        """See `Mixer.start`."""
        del scale  # its own settings have it
        drawn = rwkv7_start(f"blocks.{depth}.{name}", parameter, self.own, generator)
        return drawn.reshape(parameter.shape)
