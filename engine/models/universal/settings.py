"""Which decoder with shared layers is built."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.models.gpt.settings import DecoderSettings


class UniversalSettings(DecoderSettings):
    """A GPT-style decoder whose stack of layers is run several times with the same weights.

    Source: Dehghani et al. 2019 (Universal Transformer); Wang et al. 2024, appendix E.2
    (parameter sharing), without an embedding of the loop.
    """

    kind: Literal["universal"] = "universal"
    n_loops: Annotated[int, Field(ge=1, le=32)] = 2
    """How often the stack of layers is run; a fork may run it more or less often."""
    re_embed: bool = False
    """Whether the tokens that a loop would predict are added to the stream before the next."""
    re_embed_temperature: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    """Factor on the logits that weigh the re-embedded tokens."""
    share_mlp: bool = False
    """Whether all layers use one MLP (with its norm)."""
    layers_per_kv: Annotated[int, Field(ge=1, le=48)] = 1
    """How many neighbouring layers look at the keys and values of the first of them."""

    @model_validator(mode="after")
    def _loops_are_there_to_embed_between(self) -> "UniversalSettings":
        if self.re_embed and self.n_loops == 1:
            raise ValueError(
                "n_loops must be at least 2 where re_embed is on, got 1; "
                "raise n_loops or turn re_embed off"
            )
        return self

    def makes_keys(self, layer: int) -> bool:
        """Whether a layer has keys and values of its own.

        Source: Brandon et al. 2024 (cross-layer attention).
        """
        return layer % self.layers_per_kv == 0

    @property
    def first_keys_are_shared(self) -> bool:
        """Whether a second layer looks at the first layer's keys and values."""
        return min(self.layers_per_kv, self.n_layers) > 1

    @property
    def last_source(self) -> int:
        """The last layer that makes keys and values."""
        return (self.n_layers - 1) // self.layers_per_kv * self.layers_per_kv

    def n_parameters(self, vocab_size: int, length: int) -> int:
        """How many numbers are trained: each layer once, however often it is run."""
        C = self.d_model
        borrowing = self.n_layers - 1 - self.last_source // self.layers_per_kv
        spared = borrowing * (2 * C * C + (2 * C if self.attention_bias else 0))
        n_mlps = 1 if self.share_mlp else self.n_layers
        return (
            self.n_layers * self.attention_parameters()
            - spared
            + n_mlps * self.mlp_parameters()
            + self.outer_parameters(vocab_size, length)
        )

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step; counted as for `GPTSettings`."""
        C, T, n_steps = self.d_model, length, self.n_loops * self.n_layers
        last = n_steps - self.n_layers + self.last_source
        total = n_read * C * vocab_size
        for step in range(n_steps):
            rows = n_read if step >= last else T
            total += rows * (T * C + C * C + 2 * C * self.d_mlp)
            if step > 0 or self.first_keys_are_shared:
                made = self.makes_keys(step % self.n_layers)
                total += (3 * T if made else rows) * C * C + rows * T * C
        if self.re_embed:
            total += (self.n_loops - 1) * 2 * T * C * vocab_size
        return 6 * total
