"""Which GPT-style decoder is built."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.settings import Settings
from engine.models.init_scale import InitScale

SLOWNESS = 4
"""How many multiplications of a large product take the time of one in a sum of rows."""
WIDEST = 512
"""The widest residual stream that loops of our own take: larger matrices are multiplied as fast by
torch."""
WIDEST_HIDDEN = 4 * WIDEST
WIDEST_FUSED = 128
"""The widest residual stream whose tiles fit into a GPU's shared memory."""


class DecoderSettings(Settings):
    """What the GPT-style decoders, shared and with memories or not, have in common."""

    n_layers: Annotated[int, Field(ge=1, le=48)] = 1
    """Blocks of attention and MLP."""
    d_model: Annotated[int, Field(ge=2, le=2048)] = 128
    """Width of the residual stream."""
    n_heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Attention heads; must divide d_model."""
    d_mlp: Annotated[int, Field(ge=1, le=16384)] = 512
    """Hidden width of each MLP."""
    activation: Literal["relu", "gelu", "gelu_tanh"] = "relu"
    """The MLP's non-linearity; `gelu_tanh` is GPT-2's."""
    norm: Literal["none", "pre", "post"] = "none"
    """Where LayerNorm stands: nowhere, before each sublayer (and at the end), or after it."""
    attention_bias: bool = False
    """Whether the attention projections have biases."""
    mlp_bias: bool = True
    """Whether the MLP's layers have biases."""
    tied: bool = False
    """Whether the unembedding is the transposed embedding."""
    positions: Literal["learned", "sinusoidal", "none"] = "learned"
    """How a token knows its place."""
    init: Literal["nanda", "gpt2"] = "nanda"
    """Initial weights: N(0, 1/d_model) for all, or GPT-2's N(0, 0.02) with scaled projections."""
    init_scale: InitScale = 1.0

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "DecoderSettings":
        if self.d_model % self.n_heads:
            fitting = ", ".join(str(n) for n in range(1, 65) if self.d_model % n == 0)
            raise ValueError(
                f"n_heads must divide d_model ({self.d_model}), got {self.n_heads}; "
                f"possible are {fitting}"
            )
        return self

    def n_parameters(self, vocab_size: int, length: int) -> int:
        """How many numbers are trained."""
        blocks = self.n_layers * (self.attention_parameters() + self.mlp_parameters())
        return blocks + self.outer_parameters(vocab_size, length)

    def attention_parameters(self) -> int:
        """How many numbers a layer's attention trains, with its norm."""
        C = self.d_model
        return 4 * C * C + (4 * C if self.attention_bias else 0) + self._norm_parameters()

    def mlp_parameters(self) -> int:
        """How many numbers a layer's MLP trains, with its norm."""
        C, F = self.d_model, self.d_mlp
        return 2 * C * F + (F + C if self.mlp_bias else 0) + self._norm_parameters()

    def outer_parameters(self, vocab_size: int, length: int) -> int:
        """How many numbers are trained outside the layers."""
        C = self.d_model
        return (
            vocab_size * C * (1 if self.tied else 2)
            + (length * C if self.positions == "learned" else 0)
            + (2 * C if self.norm == "pre" else 0)
        )

    def sums_rows(self, vocab_size: int, length: int) -> bool:
        """Whether one layer has the form of `engine.models.gpt.one_layer`, and gains by it.

        A sum of T·H rows behind the matrices stands against one of T rows and the matrices'
        product: over many tokens it costs more.
        """
        summed = length * self.n_heads * (self.d_mlp + vocab_size)
        multiplied = self.d_model * (length + self.d_model + self.d_mlp)
        return self.n_layers == 1 and self.norm == "none" and SLOWNESS * summed <= multiplied

    @property
    def fits_loops(self) -> bool:
        """Whether the loops of `engine.models.gpt.layers_by_hand` know such layers."""
        is_small = self.d_model <= WIDEST and self.d_mlp <= WIDEST_HIDDEN
        return self.norm != "post" and is_small

    def _norm_parameters(self) -> int:
        return 0 if self.norm == "none" else 2 * self.d_model


class GPTSettings(DecoderSettings):
    """A decoder of attention and MLP blocks.

    Source: Radford et al. 2019 (GPT-2); Nanda et al. 2023, appendix A (norm "none", no biases
    in attention, untied).
    """

    kind: Literal["gpt"] = "gpt"

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step.

        Counts the matrix products, two operations for a multiply-add, forward and backward (twice
        the forward), for a batch that outnumbers the vocabulary: the first layer's projections
        are then shared by all examples, and only `n_read` positions pass the last attention.
        """
        C, T = self.d_model, length
        total = n_read * C * vocab_size
        for layer in range(self.n_layers):
            rows = n_read if layer == self.n_layers - 1 else T
            total += rows * (T * C + C * C + 2 * C * self.d_mlp)
            if layer > 0:
                total += 3 * T * C * C + rows * T * C
        return 6 * total
