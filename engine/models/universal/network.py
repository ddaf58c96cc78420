"""How a decoder with shared layers turns token rows into logits at the positions that are read.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``V`` vocabulary, ``L`` layers times loops.

A shared part is stored once and used several times: a module listed twice would break vmap. The
savings are the GPT decoder's; where the last layers borrow keys and values, the read positions
alone are carried from the layer that makes them.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.models.gathering import gathered
from engine.models.gpt.block import Block
from engine.models.gpt.network import GPT
from engine.models.gpt.table import attend_by_table
from engine.models.positions import at_positions
from engine.models.prefixes import MOST_TOKENS, Prefixes
from engine.models.universal.settings import UniversalSettings


class _Attended(NamedTuple):
    """A residual stream after attention, where it looked, and at what."""

    x: Tensor
    weights: Tensor
    kv: tuple[Tensor, Tensor]


class Universal(GPT):
    """A GPT-style decoder that runs its stack `loops` times.

    Source: Dehghani et al. 2019; Wang et al. 2024, appendix E.2; Brandon et al. 2024.
    """

    in_one_pass = False

    def __init__(self, settings: UniversalSettings, *, vocab_size: int, length: int) -> None:
        self.sharing = settings
        super().__init__(settings, vocab_size=vocab_size, length=length)
        if settings.share_mlp:
            self.transformer["shared"] = Block(settings, attends=False)
        self.n_loops = settings.n_loops
        """How often the stack is run; free to choose after training."""
        self.has_loops = self.shares_prefixes = length <= MOST_TOKENS

    def make_block(self, layer: int) -> Block:
        """A layer's own parts."""
        own_keys = self.sharing.makes_keys(layer)
        return Block(self.settings, thinks=not self.sharing.share_mlp, own_keys=own_keys)

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        B, T = tokens.shape
        prefixes = self.shared_prefixes(tokens)
        if prefixes is not None:
            return self._by_prefix(prefixes, read)
        everywhere, dtype = tuple(range(T)), self.matmul_dtype
        wanted = read if self.savings else everywhere
        last = (self.n_loops - 1) * len(self.blocks) + self.sharing.last_source
        by_table = self.savings and len(self.embedding) < B
        x, kv = self.embedding.new_empty(0), None
        for step in range(self.n_loops * len(self.blocks)):
            block = self.blocks[step % len(self.blocks)]
            queries = wanted if step >= last else everywhere
            if step == 0 and by_table and not self.sharing.first_keys_are_shared:
                x = attend_by_table(self.rows(T), tokens, block, queries, dtype)
            else:
                x = self.embed(tokens) if step == 0 else self._between(x, step)
                x, _, kv = self._attend(x, step, kv, queries)
            x = self._think(x, block)
        return self.logits(x if self.savings else at_positions(x, read))

    def _by_prefix(self, prefixes: Prefixes, read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """The same, each prefix computed once.

        It is an example of one token for the matrices, and of all its tokens for attention.
        """
        T, dtype = prefixes.rows.shape[1], self.matmul_dtype
        last = (self.n_loops - 1) * len(self.blocks) + self.sharing.last_source
        x = self.embed_prefixes(prefixes).unsqueeze(1)
        positions, kv = tuple(range(T)), None
        for step in range(self.n_loops * len(self.blocks)):
            layer = step % len(self.blocks)
            block = self.blocks[layer]
            x = self._between(x, step)
            inputs = block.attention_input(x)
            if kv is None or self.sharing.makes_keys(layer):
                q, *kv = block.attn.project(inputs, (0,), dtype)
            else:
                q = block.attn.split_heads(block.attn.c_attn(inputs, dtype))
            if step == last:
                positions, looking = read, prefixes.of_positions(read)
                x, q = x[looking], q[looking]
            mixed: list[Tensor] = []
            asking = q
            for t, _, seen in prefixes.by_position(positions):
                own, asking = asking[: len(seen)], asking[len(seen) :]
                keys, values = (_of_prefixes(each, seen) for each in kv)
                mixed.append(block.attn.mix(block.attn.look(own, keys, (t,)), values, dtype))
            x = self._think(block.add_attention(x, torch.cat(mixed)), block)
        return self.logits(gathered(x[:, 0], prefixes.places(read)))

    def attention(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "L B H T T"]:
        """The attention maps of all layers in all loops: row t is where position t looks."""
        everywhere = tuple(range(tokens.shape[1]))
        x, kv, maps = self.embed(tokens), None, list[Tensor]()
        for step in range(self.n_loops * len(self.blocks)):
            x, weights, kv = self._attend(self._between(x, step), step, kv, everywhere)
            maps.append(weights)
            x = self._think(x, self.blocks[step % len(self.blocks)])
        return torch.stack(maps)

    def _between(self, x: Float[Tensor, "B T C"], step: int) -> Float[Tensor, "B T C"]:
        """The residual stream with what is added to it before a loop, but for the first."""
        if not self.sharing.re_embed or step == 0 or step % len(self.blocks):
            return x
        guess = (self.sharing.re_embed_temperature * (x @ self.embedding.T)).softmax(-1)
        return x + guess @ self.embedding

    def _attend(
        self, x: Tensor, step: int, kv: tuple[Tensor, Tensor] | None, read: tuple[int, ...]
    ) -> _Attended:
        """One layer's attention; x holds all positions, or those that are read already."""
        layer, dtype = step % len(self.blocks), self.matmul_dtype
        block = self.blocks[layer]
        rows = block.attention_input(x)
        if kv is None or self.sharing.makes_keys(layer):
            q, *made = block.attn.project(rows, read, dtype)
            kv = (made[0], made[1])
        else:
            q = block.attn.split_heads(block.attn.c_attn(rows, dtype))
        weights = block.attn.look(q, kv[0], read)
        here = x if x.shape[1] == len(read) else at_positions(x, read)
        mixed = block.attn.mix(weights, kv[1], dtype)
        return _Attended(block.add_attention(here, mixed), weights, kv)

    def _think(self, x: Float[Tensor, "B A C"], block: Block) -> Float[Tensor, "B A C"]:
        """The residual stream after a layer's own MLP or the one of all layers."""
        thinker = self.transformer["shared"] if self.sharing.share_mlp else block
        return thinker.think(x, self.matmul_dtype)  # pyright: ignore[reportCallIssue]


def _of_prefixes(rows: Float[Tensor, "U H 1 D"], seen: Int[Tensor, "S t"]) -> Tensor:
    """Keys or values (S, H, t, D) of what each prefix may see."""
    _, H, _, D = rows.shape
    return gathered(rows.flatten(1), seen).unflatten(-1, (H, D)).transpose(1, 2)
