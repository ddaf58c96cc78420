"""How a LLaMA-style decoder turns token rows into logits at the positions that are read.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``V`` vocabulary, ``L`` layers.

The savings are the GPT decoder's, shared prefixes among them. Rotary positions enter after the
projections, so that the first layer's queries, keys and values depend on the token alone: a table
of V rows.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engine.models.dropout import Dropout
from engine.models.gathering import gathered
from engine.models.llama.attention import Attention
from engine.models.llama.layers import GatedMLP, Linear, RMSNorm
from engine.models.llama.settings import LlamaSettings
from engine.models.network import Network
from engine.models.positions import at_positions
from engine.models.prefixes import MOST_TOKENS, Prefixes


class Block(nn.Module):
    """Attention and gated MLP, each behind an RMSNorm, around the residual stream."""

    def __init__(self, settings: LlamaSettings) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(settings.d_model)
        self.self_attn = Attention(settings)
        self.post_attention_layernorm = RMSNorm(settings.d_model)
        self.mlp = GatedMLP(settings.d_model, settings.d_mlp)
        self.drop_1, self.drop_2 = Dropout(), Dropout()

    def project(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries at the positions `read`, keys and values of a residual stream."""
        return self.self_attn.project(self.input_layernorm(x), read, dtype)

    def forward(
        self,
        x: Float[Tensor, "B A C"],
        parts: tuple[Tensor, Tensor, Tensor],
        read: tuple[int, ...],
        dtype: torch.dtype,
    ) -> Float[Tensor, "B A C"]:
        """The residual stream after the block, at the positions `read`."""
        return self.add(x, self.self_attn(parts, read, dtype), dtype)

    def add(
        self, x: Float[Tensor, "B A C"], mixed: Float[Tensor, "B A C"], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """The residual stream with what attention gave, and behind the MLP."""
        x = x + self.drop_1(mixed)
        return x + self.drop_2(self.mlp(self.post_attention_layernorm(x), dtype))


class Llama(Network):
    """A decoder whose parameters carry the names of `transformers`' LlamaForCausalLM.

    Source: Touvron et al. 2023.
    """

    has_maps = True
    tables = ("model.embed_tokens.weight", "lm_head.weight")

    def __init__(self, settings: LlamaSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        self.settings = settings
        self.length = length
        self.has_loops = self.shares_prefixes = settings.n_layers > 1 and length <= MOST_TOKENS
        self.model = nn.ModuleDict(
            {
                "embed_tokens": Linear(settings.d_model, vocab_size),
                "layers": nn.ModuleList(Block(settings) for _ in range(settings.n_layers)),
                "norm": RMSNorm(settings.d_model),
            }
        )
        if not settings.tied:
            self.lm_head = Linear(settings.d_model, vocab_size)

    @property
    def blocks(self) -> list[Block]:
        """The layers, first to last."""
        return list(self.model["layers"])  # pyright: ignore[reportArgumentType, reportReturnType]

    @property
    def embedding(self) -> Float[Tensor, "V C"]:
        """One row for each token."""
        return self.model["embed_tokens"].weight  # pyright: ignore[reportReturnType]

    @property
    def unembedding(self) -> Float[Tensor, "V C"]:
        """One row for each class; the embedding's own where the two are tied."""
        return self.embedding if self.settings.tied else self.lm_head.weight

    def embed(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T C"]:
        """Each token's row."""
        return gathered(self.embedding, tokens)

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        B, T = tokens.shape
        prefixes = self.shared_prefixes(tokens)
        if prefixes is not None:
            return self._by_prefix(prefixes, read)
        everywhere, last, dtype = tuple(range(T)), len(self.blocks) - 1, self.matmul_dtype
        wanted = read if self.savings else everywhere
        x = self.embed(tokens)
        for layer, block in enumerate(self.blocks):
            queries = wanted if layer == last else everywhere
            if layer == 0 and self.savings and len(self.embedding) < B:
                parts = self._from_table(tokens, queries)
            else:
                parts = block.project(x, queries, dtype)
            x = block(at_positions(x, queries), parts, queries, dtype)
        return self.logits(x if self.savings else at_positions(x, read))

    def _by_prefix(self, prefixes: Prefixes, read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """The same, each prefix computed once.

        It is an example of one token for the matrices, and of all its tokens for attention.
        """
        T, last, dtype = prefixes.rows.shape[1], len(self.blocks) - 1, self.matmul_dtype
        x = self.embed(prefixes.tokens.unsqueeze(1))
        for layer, block in enumerate(self.blocks):
            q, k, v = block.project(x, (0,), dtype)
            positions = read if layer == last else tuple(range(T))
            mixed = [
                block.self_attn(
                    (q[rows], gathered(k[:, 0], seen), gathered(v[:, 0], seen)), (t,), dtype
                )
                for t, rows, seen in prefixes.by_position(positions)
            ]
            here = x[prefixes.of_positions(read)] if layer == last else x
            x = block.add(here, torch.cat(mixed), dtype)
        return self.logits(gathered(x[:, 0], prefixes.places(read)))

    def _from_table(
        self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the first block's `project` gives, computed once for each token.

        Gathered in the weights' type: the backward sums thousands of rows.
        """
        rows = self.embedding.unsqueeze(0)
        everything = tuple(range(rows.shape[1]))
        q, k, v = (
            part.squeeze(0).to(rows.dtype)
            for part in self.blocks[0].project(rows, everything, self.matmul_dtype)
        )
        return gathered(q, at_positions(tokens, read)), gathered(k, tokens), gathered(v, tokens)

    def logits(self, x: Float[Tensor, "B A C"]) -> Float[Tensor, "B A V"]:
        """The last residual stream, unembedded in float32."""
        return self.model["norm"](x) @ self.unembedding.T

    def attention(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "L B H T T"]:
        """The attention maps of all layers: row t is where position t looks."""
        everywhere, dtype = tuple(range(tokens.shape[1])), self.matmul_dtype
        x, maps = self.embed(tokens), []
        for block in self.blocks:
            parts = block.project(x, everywhere, dtype)
            maps.append(block.self_attn.weigh(*parts[:2], everywhere, dtype))
            x = block(x, parts, everywhere, dtype)
        return torch.stack(maps)

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights; see `Network.reset`."""
        for name, parameter in self.named_parameters():
            if name.endswith("norm.weight"):
                parameter.fill_(1.0)
            else:
                drawn = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(drawn * (0.02 * self.settings.init_scale))
