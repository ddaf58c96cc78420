"""Which RWKV-4 network is built."""

from typing import Annotated, Literal

from pydantic import Field

from data.settings import Settings
from engine.models.init_scale import InitScale


class RWKV4Settings(Settings):
    """A stack of time mixing, a decaying softmax average by channel, and channel mixing.

    Source: Peng et al. 2023.
    """

    kind: Literal["rwkv4"] = "rwkv4"
    n_layers: Annotated[int, Field(ge=1, le=48)] = 1
    """Blocks of time mixing and channel mixing."""
    d_model: Annotated[int, Field(ge=2, le=2048)] = 128
    """Width of the residual stream."""
    d_mlp: Annotated[int, Field(ge=1, le=16384)] = 512
    """Hidden width of each channel mixing."""
    init_scale: InitScale = 1.0

    @property
    def mixer_parameters(self) -> int:
        """How many numbers one time mixing trains."""
        return 4 * self.d_model**2 + 5 * self.d_model

    def mixer_products(self, length: int, n_read: int) -> int:
        """Multiply-adds of one time mixing for one example, asked at `n_read` positions."""
        return 2 * (length + n_read) * self.d_model**2

    def n_parameters(self, vocab_size: int, length: int) -> int:  # noqa: ARG002
        """How many numbers are trained."""
        C, F = self.d_model, self.d_mlp
        channel_mixing = 2 * C * F + C * C + 2 * C
        norms = 4 * C * self.n_layers + 4 * C
        return (
            self.n_layers * (self.mixer_parameters + channel_mixing) + norms + 2 * vocab_size * C
        )

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step.

        Counts the matrix products, two operations for a multiply-add, forward and backward (twice
        the forward). The last channel mixing looks at the read positions and at those before
        them; these are counted as different from each other, as they are for `n_read` of 1.
        """
        C, F, T = self.d_model, self.d_mlp, length
        total = n_read * C * vocab_size
        for layer in range(self.n_layers):
            last = layer == self.n_layers - 1
            mixed = min(2 * n_read, T) if last else T
            thought = n_read if last else T
            total += self.mixer_products(T, mixed) + thought * (2 * C * F + C * C)
        return 6 * total
