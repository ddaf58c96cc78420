"""Which LSTM is built."""

from typing import Annotated, Literal

from pydantic import Field

from data.settings import Settings
from engine.models.init_scale import InitScale


class LSTMSettings(Settings):
    """Layers of cells that gates fill, keep and show.

    Source: Hochreiter and Schmidhuber 1997; Gers et al. 2000 (forget gate).
    """

    kind: Literal["lstm"] = "lstm"
    n_layers: Annotated[int, Field(ge=1, le=48)] = 1
    """Layers of cells."""
    d_model: Annotated[int, Field(ge=2, le=2048)] = 128
    """Width of the embedding and cells of each layer."""
    init_scale: InitScale = 1.0

    @property
    def d_mlp(self) -> int:
        """Numbers kept for each token besides the stream's, halved; sizes the memory."""
        return 4 * self.d_model

    def n_parameters(self, vocab_size: int, length: int) -> int:  # noqa: ARG002
        """How many numbers are trained."""
        C = self.d_model
        return self.n_layers * (8 * C * C + 8 * C) + 2 * vocab_size * C + vocab_size

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step.

        Counts the matrix products, two operations for a multiply-add, forward and backward (twice
        the forward), for a batch that outnumbers the vocabulary: what the first layer makes of a
        token is then shared by all examples. The state before a row is zero and multiplied too,
        but needs no gradient.
        """
        C, T = self.d_model, length
        recurrent = 4 * C * C * (3 * T - 1)
        return 2 * (
            3 * n_read * C * vocab_size
            + self.n_layers * recurrent
            + (self.n_layers - 1) * 3 * T * 4 * C * C
        )
