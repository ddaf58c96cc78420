"""Mixers of networks that have blocks of their own, as layers of a hybrid."""

from abc import abstractmethod
from typing import Literal

from engine.models.mamba.settings import MambaSettings
from engine.models.mamba2.settings import Mamba2Settings
from engine.models.mixers.settings.stack import MixerSettings
from engine.models.rwkv4.settings import RWKV4Settings
from engine.models.rwkv7.settings import RWKV7Settings


class BorrowedSettings(MixerSettings):
    """A mixer that has its own kind's defaults in all that a stack does not say."""

    @property
    @abstractmethod
    def own(self) -> MambaSettings | Mamba2Settings | RWKV4Settings | RWKV7Settings:
        """The settings of the network that the mixer is taken from."""

    def mixer_parameters(self, length: int) -> int:
        """As in the mixer's own network."""
        del length
        return self.own.mixer_parameters

    def mixer_products(self, length: int, n_read: int) -> int:
        """As in the mixer's own network."""
        return self.own.mixer_products(length, n_read)


class MambaLayerSettings(BorrowedSettings):
    """Selective state spaces, which have no heads.

    Source: Gu and Dao 2023, section 3.
    """

    kind: Literal["mamba"] = "mamba"

    @property
    def own(self) -> MambaSettings:
        """Mamba's, with the stack's width and depth."""
        return MambaSettings(
            n_layers=self.n_layers, d_model=self.d_model, init_scale=self.init_scale
        )

    @property
    def mixer_kept(self) -> int:
        """As in its own network, where states are kept for every position."""
        return 2 * self.own.d_mlp


class Mamba2LayerSettings(BorrowedSettings):
    """State spaces in which one decay rules all channels of a head.

    Source: Dao and Gu 2024, sections 5 and 7.
    """

    kind: Literal["mamba2"] = "mamba2"

    @property
    def own(self) -> Mamba2Settings:
        """Mamba-2's, with the stack's width, depth and heads."""
        return Mamba2Settings(
            n_layers=self.n_layers,
            d_model=self.d_model,
            n_heads=self.n_heads,
            init_scale=self.init_scale,
        )

    @property
    def mixer_kept(self) -> int:
        """As in its own network."""
        return 2 * self.own.d_mlp


class RWKV4LayerSettings(BorrowedSettings):
    """Time mixing by a decaying softmax average of each channel, without heads.

    Source: Peng et al. 2023.
    """

    kind: Literal["rwkv4"] = "rwkv4"

    @property
    def own(self) -> RWKV4Settings:
        """RWKV-4's, with the stack's width and depth."""
        return RWKV4Settings(
            n_layers=self.n_layers, d_model=self.d_model, init_scale=self.init_scale
        )


class RWKV7LayerSettings(BorrowedSettings):
    """Time mixing by a generalised delta rule, as in RWKV-7's first layer.

    Source: Peng et al. 2025.
    """

    kind: Literal["rwkv7"] = "rwkv7"

    @property
    def own(self) -> RWKV7Settings:
        """RWKV-7's, with the stack's width, depth and heads."""
        return RWKV7Settings(
            n_layers=self.n_layers,
            d_model=self.d_model,
            n_heads=self.n_heads,
            init_scale=self.init_scale,
        )

    def mixer_products(self, length: int, n_read: int) -> int:
        """As in its own network, and its solve, which a stack counts as a product."""
        return super().mixer_products(length, n_read) + length * length * self.d_model
