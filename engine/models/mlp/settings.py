"""Which multi-layer perceptron is built."""

from typing import Annotated, Literal

from pydantic import Field

from data.settings import Settings
from engine.models.init_scale import InitScale


class MLPSettings(Settings):
    """Hidden layers on a row's one-hot tokens, side by side.

    Source: Gromov 2023 (one hidden layer, "square", no biases).
    """

    kind: Literal["mlp"] = "mlp"
    n_layers: Annotated[int, Field(ge=1, le=48)] = 1
    """Hidden layers."""
    d_model: Annotated[int, Field(ge=1, le=16384)] = 512
    """Width of every hidden layer."""
    activation: Literal["relu", "gelu", "square"] = "relu"
    """The non-linearity after each hidden layer; `square` is x²."""
    bias: bool = True
    """Whether the layers have biases."""
    init_scale: InitScale = 1.0

    @property
    def d_mlp(self) -> int:
        """Width of every hidden layer."""
        return self.d_model

    def n_parameters(self, vocab_size: int, length: int) -> int:
        """How many numbers are trained."""
        C, L = self.d_model, self.n_layers
        weights = length * vocab_size * C + (L - 1) * C * C + C * vocab_size
        return weights + (L * C + vocab_size if self.bias else 0)

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:  # noqa: ARG002
        """Operations that one more example costs a training step.

        Counts the matrix products, two operations for a multiply-add, forward and backward (twice
        the forward). The first layer picks columns and multiplies nothing.
        """
        C = self.d_model
        return 6 * n_read * ((self.n_layers - 1) * C * C + C * vocab_size)
