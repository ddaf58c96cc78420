"""Which Mamba network is built."""

from typing import Annotated, Literal

from pydantic import Field

from data.settings import Settings
from engine.models.init_scale import InitScale


class MambaSettings(Settings):
    """A stack of selective state spaces: each channel keeps `d_state` decaying sums of its past.

    Source: Gu and Dao 2023, section 3.
    """

    kind: Literal["mamba"] = "mamba"
    n_layers: Annotated[int, Field(ge=1, le=48)] = 1
    """Mixers, one after the other."""
    d_model: Annotated[int, Field(ge=2, le=2048)] = 128
    """Width of the residual stream."""
    expand: Annotated[int, Field(ge=1, le=8)] = 2
    """Channels of a mixer, in units of d_model."""
    d_state: Annotated[int, Field(ge=1, le=256)] = 16
    """Numbers that each channel remembers."""
    d_conv: Annotated[int, Field(ge=1, le=16)] = 4
    """Positions that the filter before the recurrence sees."""
    dt_rank: Annotated[int, Field(ge=0, le=256)] = 0
    """Inner width of the map to the channels' time steps; 0 is d_model / 16, rounded up."""
    tied: bool = False
    """Whether the unembedding is the transposed embedding."""
    init_scale: InitScale = 1.0

    @property
    def d_inner(self) -> int:
        """Channels of a mixer."""
        return self.expand * self.d_model

    @property
    def d_time_step(self) -> int:
        """Inner width of the map to the time steps."""
        return self.dt_rank or -(-self.d_model // 16)

    @property
    def d_mlp(self) -> int:
        """Numbers kept for each token besides the stream's, halved; sizes the memory."""
        return self.d_inner * (4 + self.d_state)

    @property
    def mixer_parameters(self) -> int:
        """How many numbers one mixer trains."""
        C, D, N, R = self.d_model, self.d_inner, self.d_state, self.d_time_step
        projections = 2 * C * D + D * (R + 2 * N) + R * D + D + D * C
        return projections + D * (self.d_conv + 1) + D * N + D

    def mixer_products(self, length: int, n_read: int) -> int:
        """Multiply-adds of one mixer's products for one example, asked at `n_read` positions."""
        C, D, N, R = self.d_model, self.d_inner, self.d_state, self.d_time_step
        return length * (2 * C * D + D * (R + 2 * N) + R * D) + n_read * (D * N + D * C)

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
        total += self.mixer_products(length, n_read) - length * 2 * self.d_model * self.d_inner
        return 6 * total
