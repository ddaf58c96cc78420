"""How a decoder with memories turns token rows into logits at the positions that are read.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``D`` d_head, ``M`` learned places, ``V`` vocabulary.

Memory tokens stand before the row and see each other alone, so that all examples share their
way through the layers: it is taken once, and the rows see its keys and values as they see the
persistent ones.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engine.models.gpt.block import Block
from engine.models.gpt.network import GPT
from engine.models.memory.product_keys import ProductKeys
from engine.models.memory.settings import MemorySettings
from engine.models.positions import at_positions
from engine.models.prefixes import MOST_TOKENS


class MemoryBlock(Block):
    """A block with keys and values that are learned, or with a product-key memory for its MLP."""

    def __init__(self, settings: MemorySettings, layer: int) -> None:
        super().__init__(settings)
        self.n_memory_kv = settings.n_memory_kv
        if settings.n_memory_kv:
            shape = (settings.n_heads, settings.n_memory_kv, self.attn.d_head)
            self.memory_k = nn.Parameter(torch.empty(shape))
            self.memory_v = nn.Parameter(torch.empty(shape))
        if layer + 1 == settings.product_key_layer:
            self.mlp = ProductKeys(settings)

    def persistent(self, dtype: torch.dtype) -> tuple[Tensor, Tensor] | None:
        """Keys and values (1, H, M, D) that everything sees."""
        if not self.n_memory_kv:
            return None
        return self.memory_k.to(dtype).unsqueeze(0), self.memory_v.to(dtype).unsqueeze(0)

    def attend_behind(
        self,
        x: Float[Tensor, "B T C"],
        before: tuple[Tensor, Tensor] | None,
        read: tuple[int, ...],
        dtype: torch.dtype,
    ) -> tuple[Float[Tensor, "B A C"], tuple[Tensor, Tensor]]:
        """The stream after attention that sees `before` too, and the keys and values it saw."""
        q, k, v = self.attn.project(self.attention_input(x), read, dtype)
        n_before = 0
        if before is not None:
            n_before = before[0].shape[2]
            k, v = (
                torch.cat([early.expand(len(x), -1, -1, -1), late], dim=2)
                for early, late in zip(before, (k, v), strict=True)
            )
        weights = self.attn.look(q, k, tuple(position + n_before for position in read))
        mixed = self.attn.mix(weights, v, dtype)
        return self.add_attention(at_positions(x, read), mixed), (k, v)


class Memory(GPT):
    """A GPT-style decoder with learned memories beside its layers.

    Source: Sukhbaatar et al. 2019; Burtsev et al. 2020; Lample et al. 2019; Wang et al. 2024.
    """

    in_one_pass = False
    tables = (
        *GPT.tables,
        "memory_tokens",
        "transformer.h.*.memory_k",
        "transformer.h.*.memory_v",
        "transformer.h.*.mlp.keys",
        "transformer.h.*.mlp.values.weight",
    )

    def __init__(self, settings: MemorySettings, *, vocab_size: int, length: int) -> None:
        self.memories = settings
        super().__init__(settings, vocab_size=vocab_size, length=length)
        if settings.n_memory_tokens:
            self.memory_tokens = nn.Parameter(
                torch.empty(settings.n_memory_tokens, settings.d_model)
            )
        if settings.d_memory_mlp:
            self.transformer["memory"] = nn.ModuleList(
                Block(settings.memory_mlp, attends=False) for _ in range(settings.n_layers // 2)
            )
        self.has_maps = not settings.n_before
        """Rows that look at learned places too do not sum to 1 over the past."""
        self.has_loops = self.shares_prefixes = settings.n_layers > 1 and length <= MOST_TOKENS

    def make_block(self, layer: int) -> MemoryBlock:
        """The parts of one layer."""
        return MemoryBlock(self.memories, layer)

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        if not self.memories.n_before:
            return super().forward(tokens, read)
        prefixes = self.shared_prefixes(tokens)
        if prefixes is not None:
            return self._by_prefix(prefixes, read)
        everywhere, last = tuple(range(tokens.shape[1])), len(self.blocks) - 1
        wanted = read if self.savings else everywhere
        x = self.embed(tokens)
        for layer, before in enumerate(self.learned()):
            block: MemoryBlock = self.transformer["h"][layer]  # pyright: ignore[reportIndexIssue, reportAssignmentType]
            looking = wanted if layer == last else everywhere
            x, _ = block.attend_behind(x, before, looking, self.matmul_dtype)
            x = self.think(x, layer)
        return self.logits(x if self.savings else at_positions(x, read))

    def learned(self) -> list[tuple[Tensor, Tensor] | None]:
        """For each layer the keys and values (1, H, M, D) that stand before every row's own."""
        n_tokens, dtype = self.memories.n_memory_tokens, self.matmul_dtype
        own, stream = tuple(range(n_tokens)), self.memory_tokens.unsqueeze(0) if n_tokens else None
        found: list[tuple[Tensor, Tensor] | None] = []
        for layer, block in enumerate(self.transformer["h"]):  # pyright: ignore[reportArgumentType]
            before = block.persistent(dtype)
            if stream is not None:
                stream, before = block.attend_behind(stream, before, own, dtype)
                stream = None if layer + 1 == len(self.blocks) else self.think(stream, layer)
            found.append(before)
        return found

    def think(self, x: Float[Tensor, "B A C"], layer: int) -> Float[Tensor, "B A C"]:
        """The residual stream after a layer's MLP and the memory MLP beside it."""
        block, dtype = self.blocks[layer], self.matmul_dtype
        if not self.memories.d_memory_mlp:
            return block.think(x, dtype)
        shared: Block = self.transformer["memory"][layer % (len(self.blocks) // 2)]  # pyright: ignore[reportIndexIssue, reportAssignmentType]
        asked = x if self.settings.norm == "none" else shared.ln_2(x)
        recalled = shared.drop_2(shared.mlp(asked, dtype))
        if self.settings.norm == "post":
            return block.ln_2(x + block.drop_2(block.mlp(x, dtype)) + recalled)
        return block.think(x, dtype) + recalled
