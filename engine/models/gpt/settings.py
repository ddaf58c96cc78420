"""Which GPT-style decoder is built."""

from typing import Annotated, Literal

from pydantic import Field

from data.settings import Settings


class GPTSettings(Settings):
    """A decoder of attention and MLP blocks.

    Source: Radford et al. 2019 (GPT-2); Nanda et al. 2023, appendix A (norm "none", no biases
    in attention, untied).
    """

    kind: Literal["gpt"] = "gpt"
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
    init_scale: Annotated[float, Field(ge=0.01, le=100.0)] = 1.0
    """Factor on all initial weights."""
