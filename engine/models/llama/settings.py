"""Which LLaMA-style decoder is built."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from data.settings import Settings
from engine.models.init_scale import InitScale


class LlamaSettings(Settings):
    """A decoder with RMSNorm, rotary positions, gated MLPs and grouped-query heads, no biases.

    Source: Touvron et al. 2023; Ainslie et al. 2023 (grouped queries).
    """

    kind: Literal["llama"] = "llama"
    n_layers: Annotated[int, Field(ge=1, le=48)] = 2
    """Blocks of attention and MLP."""
    d_model: Annotated[int, Field(ge=2, le=2048)] = 128
    """Width of the residual stream."""
    n_heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Query heads; must divide d_model into heads of even width."""
    n_kv_heads: Annotated[int, Field(ge=0, le=64)] = 0
    """Heads of keys and values, each shared by n_heads / n_kv_heads query heads; 0: n_heads."""
    d_mlp: Annotated[int, Field(ge=1, le=16384)] = 344
    """Hidden width of each gated MLP, which has three matrices."""
    rope_base: Annotated[float, Field(ge=2.0, le=1e7)] = 10_000.0
    """Base of the rotary positions' wavelengths: the longest is 2π times nearly this."""
    tied: bool = False
    """Whether the unembedding is the transposed embedding."""
    init_scale: InitScale = 1.0

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "LlamaSettings":
        if self.d_model % (2 * self.n_heads):
            fitting = ", ".join(str(n) for n in range(1, 65) if self.d_model % (2 * n) == 0)
            raise ValueError(
                f"n_heads must divide d_model ({self.d_model}) into heads of even width, "
                f"got {self.n_heads}; possible are {fitting or 'none, make d_model even'}"
            )
        if self.n_heads % self.key_heads:
            fitting = ", ".join(str(n) for n in range(1, 65) if self.n_heads % n == 0)
            raise ValueError(
                f"n_kv_heads must divide n_heads ({self.n_heads}) or be 0, "
                f"got {self.n_kv_heads}; possible are {fitting}"
            )
        return self

    @property
    def d_head(self) -> int:
        """Width of one head."""
        return self.d_model // self.n_heads

    @property
    def key_heads(self) -> int:
        """How many heads of keys and values there are."""
        return self.n_kv_heads or self.n_heads

    def n_parameters(self, vocab_size: int, length: int) -> int:  # noqa: ARG002
        """How many numbers are trained; positions add none."""
        C = self.d_model
        attention = 2 * C * C + 2 * C * self.key_heads * self.d_head
        layer = attention + 3 * C * self.d_mlp + 2 * C
        return self.n_layers * layer + C + vocab_size * C * (1 if self.tied else 2)

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step.

        Counted as for `GPTSettings`: the matrix products, forward and backward, where the first
        layer's projections are shared by all examples.
        """
        C, T = self.d_model, length
        total = n_read * C * vocab_size
        for layer in range(self.n_layers):
            rows = n_read if layer == self.n_layers - 1 else T
            total += rows * (2 * T * C + C * C + 3 * C * self.d_mlp)
            if layer > 0:
                total += rows * C * C + 2 * T * C * self.key_heads * self.d_head
        return 6 * total
