"""Which RWKV-7 network is built."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.settings import Settings
from engine.models.init_scale import InitScale


class RWKV7Settings(Settings):
    """A stack of time mixing, a generalised delta rule by head, and channel mixing.

    Source: Peng et al. 2025.
    """

    kind: Literal["rwkv7"] = "rwkv7"
    n_layers: Annotated[int, Field(ge=1, le=48)] = 1
    """Blocks of time mixing and channel mixing."""
    d_model: Annotated[int, Field(ge=2, le=2048)] = 128
    """Width of the residual stream."""
    n_heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Heads of the time mixing; must divide d_model."""
    d_mlp: Annotated[int, Field(ge=1, le=16384)] = 512
    """Hidden width of each channel mixing."""
    d_low_rank: Annotated[int, Field(ge=1, le=512)] = 16
    """Inner width of the maps to decay, learning rate, value mixture and gate."""
    init_scale: InitScale = 1.0

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "RWKV7Settings":
        if self.d_model % self.n_heads:
            fitting = ", ".join(str(n) for n in range(1, 65) if self.d_model % n == 0)
            raise ValueError(
                f"n_heads must divide d_model ({self.d_model}), got {self.n_heads}; "
                f"possible are {fitting}"
            )
        return self

    @property
    def mixer_parameters(self) -> int:
        """How many numbers the first layer's time mixing trains."""
        C = self.d_model
        return 4 * C * C + 13 * C + 6 * C * self.d_low_rank

    def mixer_products(self, length: int, n_read: int) -> int:
        """Multiply-adds of the first layer's time mixing for one example, without its solve.

        It is asked at `n_read` positions.
        """
        C, R, T, A = self.d_model, self.d_low_rank, length, n_read
        state = (T + A) * 2 * T * C + T * T * C + 2 * A * T * C
        return 2 * T * C * C + 4 * T * C * R + state + A * (2 * C * C + 2 * C * R)

    def n_parameters(self, vocab_size: int, length: int) -> int:  # noqa: ARG002
        """How many numbers are trained."""
        C, F, R, L = self.d_model, self.d_mlp, self.d_low_rank, self.n_layers
        value_mixing = C + 2 * C * R
        channel_mixing = C + 2 * C * F
        norms = 4 * C * L + 4 * C
        layers = L * (self.mixer_parameters + channel_mixing) + (L - 1) * value_mixing
        return layers + norms + 2 * vocab_size * C

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step.

        Counts the matrix products, two operations for a multiply-add, forward and backward (twice
        the forward), and of the triangular solve its gradient's product alone. The last channel
        mixing looks at the read positions and at those before them; these are counted as
        different from each other, as they are for `n_read` of 1.
        """
        C, F, R, T = self.d_model, self.d_mlp, self.d_low_rank, length
        total = n_read * C * vocab_size
        for layer in range(self.n_layers):
            last = layer == self.n_layers - 1
            mixed = min(2 * n_read, T) if last else T
            thought = n_read if last else T
            total += self.mixer_products(T, mixed) + (2 * T * C * R if layer else 0)
            total += thought * 2 * C * F
        return 6 * total + 2 * self.n_layers * T * T * C
