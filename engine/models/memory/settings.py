"""Which decoder with memories is built."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.models.gpt.settings import DecoderSettings


class MemorySettings(DecoderSettings):
    """A GPT-style decoder with learned memories beside its layers; each may be on or off.

    Source: Sukhbaatar et al. 2019 (persistent keys and values); Burtsev et al. 2020 (memory
    tokens); Wang et al. 2024, published code (memory MLPs); Lample et al. 2019 (product keys).
    """

    kind: Literal["memory"] = "memory"
    n_memory_kv: Annotated[int, Field(ge=0, le=1024)] = 16
    """Learned keys and values of each head that every position sees; 0: none."""
    n_memory_tokens: Annotated[int, Field(ge=0, le=256)] = 0
    """Learned tokens in front of every row; 0: none."""
    d_memory_mlp: Annotated[int, Field(ge=0, le=16384)] = 0
    """Hidden width of n_layers / 2 more MLPs, each used by two layers; 0: none."""
    product_key_layer: Annotated[int, Field(ge=0, le=48)] = 0
    """The layer, counted from 1, whose MLP is a product-key memory; 0: none."""
    n_sub_keys: Annotated[int, Field(ge=2, le=256)] = 16
    """Keys of each half of a product key; the memory has this many squared values."""
    n_memory_heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Queries with which a position asks the product-key memory."""
    d_memory_query: Annotated[int, Field(ge=2, le=1024, multiple_of=2)] = 32
    """Width of such a query, of which each half has keys of its own."""
    top_k: Annotated[int, Field(ge=2, le=256)] = 4
    """How many values answer a query; at most n_sub_keys."""

    @model_validator(mode="after")
    def _memories_fit_the_layers(self) -> "MemorySettings":
        if self.d_memory_mlp and self.n_layers % 2:
            raise ValueError(
                f"n_layers must be even where d_memory_mlp is not 0, got {self.n_layers}; "
                "add a layer or set d_memory_mlp to 0"
            )
        if self.product_key_layer > self.n_layers:
            raise ValueError(
                f"product_key_layer must lie between 0 and n_layers ({self.n_layers}), "
                f"got {self.product_key_layer}"
            )
        if self.top_k > self.n_sub_keys:
            raise ValueError(
                f"top_k must lie between 2 and n_sub_keys ({self.n_sub_keys}), got {self.top_k}"
            )
        return self

    @property
    def n_before(self) -> int:
        """How many learned places each position sees before the row's first token."""
        return self.n_memory_kv + self.n_memory_tokens

    @property
    def memory_mlp(self) -> "MemorySettings":
        """These settings with the memory MLPs' width."""
        return self.model_copy(update={"d_mlp": self.d_memory_mlp})

    def n_parameters(self, vocab_size: int, length: int) -> int:
        """How many numbers are trained."""
        total = super().n_parameters(vocab_size, length)
        total += (2 * self.n_memory_kv * self.n_layers + self.n_memory_tokens) * self.d_model
        if self.d_memory_mlp:
            total += self.n_layers // 2 * self.memory_mlp.mlp_parameters()
        if self.product_key_layer:
            C, H, E = self.d_model, self.n_memory_heads, self.d_memory_query
            total -= 2 * C * self.d_mlp + (C + self.d_mlp if self.mlp_bias else 0)
            total += C * H * E + 2 * E + H * self.n_sub_keys * E + self.n_sub_keys**2 * C
        return total

    def flops_per_example(self, vocab_size: int, length: int, n_read: int) -> int:
        """Operations that one more example costs a training step; counted as for `GPTSettings`.

        The memory tokens' own way through the layers is shared by all examples.
        """
        C, T, E = self.d_model, length, self.d_memory_query
        asking = self.n_memory_heads * (C * E + self.n_sub_keys * E + self.top_k * C)
        total = n_read * C * vocab_size
        for layer in range(self.n_layers):
            rows = n_read if layer == self.n_layers - 1 else T
            seen = rows * (T + self.n_before) * C
            mlp = asking if layer + 1 == self.product_key_layer else 2 * C * self.d_mlp
            total += seen + rows * (C * C + mlp + 2 * C * self.d_memory_mlp)
            if layer > 0 or self.n_before:
                total += 3 * T * C * C + seen
        return 6 * total
