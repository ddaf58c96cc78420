"""Which Mamba-2 network is built."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.settings import Settings
from engine.models.init_scale import InitScale


class Mamba2Settings(Settings):
    """A stack of state spaces in which one decay rules all channels of a head.

    Source: Dao and Gu 2024, sections 5 and 7.
    """

    kind: Literal["mamba2"] = "mamba2"
    n_layers: Annotated[int, Field(ge=1, le=48)] = 1
    """Mixers, one after the other."""
    d_model: Annotated[int, Field(ge=2, le=2048)] = 128
    """Width of the residual stream."""
    n_heads: Annotated[int, Field(ge=1, le=256)] = 8
    """Heads of a mixer; must divide expand · d_model."""
    expand: Annotated[int, Field(ge=1, le=8)] = 2
    """Channels of a mixer, in units of d_model."""
    d_state: Annotated[int, Field(ge=1, le=256)] = 32
    """Numbers that each channel remembers."""
    n_groups: Annotated[int, Field(ge=1, le=64)] = 1
    """Groups of heads that write and ask alike; must divide n_heads."""
    d_conv: Annotated[int, Field(ge=1, le=16)] = 4
    """Positions that the filter before the recurrence sees."""
    tied: bool = False
    """Whether the unembedding is the transposed embedding."""
    init_scale: InitScale = 1.0

    @model_validator(mode="after")
    def _heads_share_the_channels(self) -> "Mamba2Settings":
        if self.d_inner % self.n_heads:
            fitting = ", ".join(str(n) for n in range(1, 257) if self.d_inner % n == 0)
            raise ValueError(
                f"n_heads must divide expand · d_model ({self.d_inner}), got {self.n_heads}; "
                f"possible are {fitting}"
            )
        if self.n_heads % self.n_groups:
            fitting = ", ".join(str(n) for n in range(1, 65) if self.n_heads % n == 0)
            raise ValueError(
                f"n_groups must divide n_heads ({self.n_heads}), got {self.n_groups}; "
                f"possible are {fitting}"
            )
        return self

    @property
    def d_inner(self) -> int:
        """Channels of a mixer."""
        return self.expand * self.d_model

    @property
    def d_filtered(self) -> int:
        """Channels that pass the filter: a mixer's own, what is written and what is asked."""
        return self.d_inner + 2 * self.n_groups * self.d_state

    @property
    def d_mlp(self) -> int:
        """Numbers kept for each token besides the stream's, halved; sizes the memory."""
        return 4 * self.d_inner + 2 * self.d_filtered

    @property
    def d_projected(self) -> int:
        """Width of the input projection: gate, what is filtered, and time steps."""
        return self.d_inner + self.d_filtered + self.n_heads

    @property
    def mixer_parameters(self) -> int:
        """How many numbers one mixer trains."""
        C, D, E, H = self.d_model, self.d_inner, self.d_filtered, self.n_heads
        return C * self.d_projected + E * (self.d_conv + 1) + 3 * H + D + D * C

    def mixer_products(self, length: int, n_read: int) -> int:
        """Multiply-adds of one mixer's products for one example, asked at `n_read` positions."""
        C, D, T = self.d_model, self.d_inner, length
        asked = n_read * (T * (self.n_groups * self.d_state + D) + D * C)
        return T * C * self.d_projected + asked

    def n_parameters(self, vocab_size: int, length: int) -> int:  # noqa: ARG002
        """How many numbers are trained."""
        C = self.d_model
        layers = self.n_layers * (C + self.mixer_parameters)
        return layers + C + vocab_size * C * (1 if self.tied else 2)

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step.

        Counts the matrix products, two operations for a multiply-add, forward and backward (twice
        the forward), for a batch that outnumbers the vocabulary: the first layer's input
        projection is then shared by all examples, and only `n_read` positions are read out.
        """
        total = n_read * self.d_model * vocab_size
        total += (self.n_layers - 1) * self.mixer_products(length, length)
        total += self.mixer_products(length, n_read) - length * self.d_model * self.d_projected
        return 6 * total
