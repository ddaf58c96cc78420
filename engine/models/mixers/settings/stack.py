"""What a stack of mixer and MLP blocks is, whatever mixes the time steps."""

from abc import abstractmethod
from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.settings import Settings
from engine.models.init_scale import InitScale


class StackSettings(Settings):
    """Blocks of mixer and MLP, each with its norm before it, and a norm at the end."""

    n_layers: Annotated[int, Field(ge=1, le=48)] = 1
    """Blocks of mixer and MLP."""
    d_model: Annotated[int, Field(ge=2, le=2048)] = 128
    """Width of the residual stream."""
    n_heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Heads of each mixer; must divide d_model."""
    d_mlp: Annotated[int, Field(ge=1, le=16384)] = 512
    """Hidden width of each MLP."""
    activation: Literal["relu", "gelu", "swiglu"] = "relu"
    """The MLP's non-linearity; `swiglu` adds a third matrix, the gate."""
    norm: Literal["rms", "layer"] = "rms"
    """Which norm stands before each mixer and MLP and at the end: RMSNorm or LayerNorm."""
    positions: Literal["none", "learned"] = "none"
    """What is added to tell a token its place, beyond what the mixers know of order."""
    tied: bool = False
    """Whether the unembedding is the transposed embedding."""
    init_scale: InitScale = 1.0

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "StackSettings":
        if self.d_model % self.n_heads:
            fitting = ", ".join(str(n) for n in range(1, 65) if self.d_model % n == 0)
            raise ValueError(
                f"n_heads must divide d_model ({self.d_model}), got {self.n_heads}; "
                f"possible are {fitting}"
            )
        return self

    @abstractmethod
    def layers(self) -> "tuple[MixerSettings, ...]":
        """The settings of each layer's mixer, first to last."""

    def n_parameters(self, vocab_size: int, length: int) -> int:
        """How many numbers are trained."""
        C = self.d_model
        norm = C if self.norm == "rms" else 2 * C
        return (
            sum(layer.mixer_parameters(length) for layer in self.layers())
            + self.n_layers * (self._mlp_matrices() * C * self.d_mlp + 2 * norm)
            + vocab_size * C * (1 if self.tied else 2)
            + (length * C if self.positions == "learned" else 0)
            + norm
        )

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step.

        Counts the matrix products, two operations for a multiply-add, forward and backward (twice
        the forward), where only the last `n_read` positions pass the last mixer. A triangular
        solve counts as the product with a full matrix.
        """
        C, total = self.d_model, n_read * self.d_model * vocab_size
        for n, layer in enumerate(self.layers(), start=1):
            asked = n_read if n == self.n_layers else length
            total += layer.mixer_products(length, asked)
            total += asked * self._mlp_matrices() * C * self.d_mlp
        return 6 * total

    @property
    def mixers_kept(self) -> int:
        """Numbers that all mixers together keep for each token beyond what any layer keeps."""
        return sum(layer.mixer_kept for layer in self.layers())

    def _mlp_matrices(self) -> int:
        return 3 if self.activation == "swiglu" else 2


class MixerSettings(StackSettings):
    """A stack whose layers all have the same mixer."""

    def layers(self) -> "tuple[MixerSettings, ...]":
        """The same settings for every layer."""
        return (self,) * self.n_layers

    @property
    def mixer_kept(self) -> int:
        """Numbers that one mixer keeps for each token beyond what any layer keeps."""
        return 0

    @abstractmethod
    def mixer_parameters(self, length: int) -> int:
        """How many numbers one mixer trains."""

    @abstractmethod
    def mixer_products(self, length: int, n_read: int) -> int:
        """Multiply-adds of one mixer's products for one example, asked at the last `n_read`."""
