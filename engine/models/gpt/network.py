"""How a GPT-style decoder turns token rows into logits at the positions that are read.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``D`` d_head, ``V`` vocabulary, ``L`` layers.

Exact savings make small networks several times faster than the textbook forward. They
change how often something is computed, never its value:

* Only the read positions are carried past the last attention layer.
* What the first layer computes before it mixes positions depends on (position, token) alone.
  Where the vocabulary is smaller than the batch, it is computed once for each such pair and
  gathered for the examples (`engine.models.gpt.table`).

Two more have shapes that depend on the examples, or loops of their own, so that they are taken
where runs are computed one by one (`Network.loops`): rows with the same prefix at the same
position are computed once in every layer (`engine.models.prefixes`), and one layer without
norms takes its products before positions are mixed (`engine.models.gpt.one_layer`).
`GPT.savings = False` switches all off; the tests compare values and gradients.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engine.kernels.folded_weights import FoldedWeights
from engine.kernels.threads import n_threads
from engine.models.gathering import gathered
from engine.models.gpt import by_hand as hand
from engine.models.gpt import layers_by_hand
from engine.models.gpt.block import Block
from engine.models.gpt.by_prefix import attend_by_prefix
from engine.models.gpt.folded import Folded, folded_tables
from engine.models.gpt.layers import MLP, Norm, Weight, sinusoids
from engine.models.gpt.occurring import Occurring
from engine.models.gpt.one_layer import (
    Tables,
    folds,
    one_layer_attention,
    one_layer_logits,
    one_layer_tables,
)
from engine.models.gpt.settings import DecoderSettings
from engine.models.gpt.table import attend_by_table
from engine.models.network import ByHand, Network, Passed, Then
from engine.models.positions import at_positions
from engine.models.prefixes import MOST_TOKENS, Prefixes

MOST_HELD = 16
"""Runs whose tables are held at once: bounds memory."""


class GPT(Network):
    """A decoder whose parameters carry GPT-2's names and orientation.

    With norm "pre", biases and "gelu_tanh" this is GPT-2 and loads its weights; with norm "none",
    without attention biases and with "relu" it is Nanda's network.

    Source: Radford et al. 2019; Nanda et al. 2023, appendix A.
    """

    has_maps = True
    tables = ("transformer.wte.weight", "transformer.wpe.weight", "lm_head.weight")

    in_one_pass = True
    """Whether each layer is run once, with nothing added: what the ways of `loops` build on."""

    def __init__(self, settings: DecoderSettings, *, vocab_size: int, length: int) -> None:
        super().__init__()
        C = settings.d_model
        self.settings = settings
        self.length = length
        self._rows: Occurring | None = None
        self._rooms: dict[tuple[tuple[int, ...], int], hand.Room] = {}
        self._rooms_of_layers: dict[int, layers_by_hand.Room] = {}
        self._sums_rows = self.in_one_pass and settings.sums_rows(vocab_size, length)
        self.shares_prefixes = self.in_one_pass and settings.n_layers > 1 and length <= MOST_TOKENS
        self.has_loops = self._sums_rows or self.shares_prefixes
        self.spreads = self._sums_rows
        stack: dict[str, nn.Module] = {"wte": Weight(vocab_size, C)}
        if settings.positions == "learned":
            stack["wpe"] = Weight(length, C)
        stack["h"] = nn.ModuleList(self.make_block(layer) for layer in range(settings.n_layers))
        if settings.norm == "pre":
            stack["ln_f"] = Norm(C)
        self.transformer = nn.ModuleDict(stack)
        if not settings.tied:
            self.lm_head = Weight(vocab_size, C)

    def make_block(self, layer: int) -> Block:  # noqa: ARG002
        """The parts of one layer."""
        return Block(self.settings)

    @property
    def blocks(self) -> list[Block]:
        """The layers, first to last."""
        return list(self.transformer["h"])  # pyright: ignore[reportArgumentType, reportReturnType]

    @property
    def embedding(self) -> Float[Tensor, "V C"]:
        """One row for each token."""
        return self.transformer["wte"].weight  # pyright: ignore[reportReturnType]

    @property
    def unembedding(self) -> Float[Tensor, "V C"]:
        """One row for each class; the embedding's own where the two are tied."""
        return self.embedding if self.settings.tied else self.lm_head.weight

    def positions(self, T: int) -> Float[Tensor, "T C"]:
        """What is added at each position."""
        if self.settings.positions == "learned":
            return self.transformer["wpe"].weight[:T]  # pyright: ignore[reportIndexIssue, reportReturnType]
        if self.settings.positions == "sinusoidal":
            return sinusoids(T, self.embedding)
        return self.embedding.new_zeros(T, self.settings.d_model)

    def fuse(self, precision: str) -> None:
        """Take one kernel for each MLP (`engine.kernels.fused_mlp`)."""
        for module in self.modules():
            if isinstance(module, MLP):
                module.fused = precision

    def forward(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits at the positions `read`, which are fixed for all examples."""
        B, T = tokens.shape
        if self._takes_one_layer(tokens):
            return self._one_layer(tokens, read)
        prefixes = self.shared_prefixes(tokens)
        if prefixes is not None:
            if torch.is_grad_enabled() or not self._goes_by_hand(dict(self.named_parameters())):
                return self._by_prefix(prefixes, read)
            return self._evaluated(prefixes, read)
        everywhere, last = tuple(range(T)), len(self.blocks) - 1
        wanted = read if self.savings else everywhere
        dtype = self.matmul_dtype
        x = self.embedding.new_empty(0)
        for layer, block in enumerate(self.blocks):
            queries = wanted if layer == last else everywhere
            if layer > 0:
                x = block.attend(x, queries, dtype)
            elif self.savings and len(self.embedding) < B:
                x = attend_by_table(self.rows(T), tokens, block, queries, dtype)
            else:
                x = block.attend(self.embed(tokens), queries, dtype)
            x = self.think(x, layer)
        return self.logits(x if self.savings else at_positions(x, read))

    def _takes_one_layer(self, tokens: Int[Tensor, "B T"]) -> bool:
        may = self.loops and self._sums_rows and self.savings
        return may and len(self.embedding) < len(tokens)

    def _one_layer(
        self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]
    ) -> Float[Tensor, "B A V"]:
        occurring = self._occurring(tokens.shape[1])
        return one_layer_logits(
            self._tables(occurring, read),
            self.blocks[0],
            self.unembedding,
            tokens,
            read,
            occurring=occurring,
            dtype=self.matmul_dtype,
        )

    def by_hand(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        read: tuple[int, ...],
    ) -> ByHand | None:
        """See `Network.by_hand`; of one layer that folds, and of several that are small."""
        if self._goes_by_hand(parameters):
            return self._layers_by_hand(parameters, gradients, read)
        may = self._sums_rows and self.savings and folds(self.blocks[0].mlp, self.unembedding)
        if not may:
            return None
        T, dtype = self.length, self.matmul_dtype
        occurring = self._occurring(T)
        if not hand.applies(parameters, occurring, read, dtype):
            return None
        layer = hand.FoldedLayer(parameters, gradients, self.positions(T), occurring, read)
        key = layer.weights.embedding.data_ptr(), read

        def way(tokens: Int[Tensor, "B T"], then: Then) -> Passed | None:
            if not (self._takes_one_layer(tokens) and tokens.shape[1] == T):
                return None
            room = self._room(layer.weights, read)
            own = layer.forward(room, tokens, then)
            if self._holds_more():
                self._hold(key, room.made().copied())
            return Passed(own.logits, partial(layer.backward, room, own))

        return way

    def _goes_by_hand(self, parameters: Mapping[str, Tensor]) -> bool:
        may = self.in_one_pass and self.shares_prefixes and self.savings
        return may and layers_by_hand.applies(self.settings, parameters, self.matmul_dtype)

    def _layers_by_hand(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        read: tuple[int, ...],
    ) -> ByHand:
        own = self.settings, parameters, self.positions(self.length), gradients
        layers = layers_by_hand.LayersByHand(*own)

        def way(tokens: Int[Tensor, "B T"], then: Then) -> Passed | None:
            prefixes = self.shared_prefixes(tokens)
            if prefixes is None:
                return None
            room = self._room_of_layers()
            found = layers.forward(room, prefixes, read, then)
            return Passed(found.logits, partial(layers.backward, room, found))

        return way

    def _evaluated(self, prefixes: Prefixes, read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        """Logits alone, by the same loops."""
        parameters = dict(self.named_parameters())
        own = self.settings, parameters, self.positions(self.length)
        layers = layers_by_hand.LayersByHand(*own)
        found = layers.forward(self._room_of_layers(), prefixes, read)
        return found.logits.unflatten(0, (-1, len(read)))

    def _room_of_layers(self) -> layers_by_hand.Room:
        """All runs share it; made anew where threads are other ones."""
        key = n_threads()
        if key not in self._rooms_of_layers:
            room = layers_by_hand.Room(self.settings, len(self.embedding), self.matmul_dtype)
            self._rooms_of_layers = {key: room}
        return self._rooms_of_layers[key]

    def _room(self, weights: FoldedWeights, read: tuple[int, ...]) -> hand.Room:
        """The last step's room, which all runs share; made anew where threads are other ones."""
        key, dtype = (read, n_threads()), self.matmul_dtype
        if key not in self._rooms:
            own = weights, self.settings.n_heads, self._occurring(self.length)
            self._rooms = {key: hand.Room(*own, read, dtype)}
        return self._rooms[key]

    def _tables(self, occurring: Occurring, read: tuple[int, ...]) -> Tables | Folded:
        """What the weights alone give; where they are held, what they gave before."""
        # each run's weights lie at a place of their own
        key = self.embedding.data_ptr(), read
        if self.held is not None and key in self.held and not torch.is_grad_enabled():
            return self.held[key]
        tables = self._make_tables(occurring, read)
        self._hold(key, tables)
        return tables

    def _holds_more(self) -> bool:
        return self.held is not None and len(self.held) < MOST_HELD

    def _hold(self, key: tuple[int, tuple[int, ...]], tables: Tables | Folded) -> None:
        if self.held is not None and self._holds_more():
            self.held[key] = tables.detached()

    def _make_tables(self, occurring: Occurring, read: tuple[int, ...]) -> Tables | Folded:
        block, dtype = self.blocks[0], self.matmul_dtype
        if folds(block.mlp, self.unembedding):
            positions = self.positions(occurring.length)
            own = (self.embedding, positions, block, self.unembedding)
            return folded_tables(*own, occurring, read, dtype)
        x = self._embed_occurring(occurring)
        return one_layer_tables(x, block, read, occurring=occurring, dtype=dtype)

    def _occurring(self, T: int) -> Occurring:
        if self._rows is None:
            V = len(self.embedding)
            alphabets = self.alphabets or [range(V)] * T
            self._rows = Occurring(alphabets, vocab_size=V, n_heads=self.settings.n_heads)
        return self._rows

    def _embed_occurring(self, occurring: Occurring) -> Float[Tensor, "N C"]:
        """What `embed` gives for each row that occurs."""
        positions = self.positions(occurring.length)
        return positions[occurring.positions] + self.embedding[occurring.tokens]

    def _by_prefix(self, prefixes: Prefixes, read: tuple[int, ...]) -> Float[Tensor, "B A V"]:
        x = self.embed_prefixes(prefixes).unsqueeze(0)
        last, dtype = len(self.blocks) - 1, self.matmul_dtype
        looking = prefixes.of_positions(read)
        for layer, (block, before) in enumerate(zip(self.blocks, self.learned(), strict=True)):
            rows = looking if layer == last else None
            x = attend_by_prefix(x, block, prefixes, rows, dtype, before=before)
            x = self.think(x, layer)
        return self.logits(gathered(x[0], prefixes.places(read)))

    def learned(self) -> Sequence[tuple[Tensor, Tensor] | None]:
        """For each layer the keys and values (1, H, M, D) that stand before every row's own."""
        return [None] * len(self.blocks)

    def think(self, x: Float[Tensor, "B A C"], layer: int) -> Float[Tensor, "B A C"]:
        """The residual stream after a layer's MLP."""
        return self.blocks[layer].think(x, self.matmul_dtype)

    def embed(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T C"]:
        """Token plus position."""
        B, T = tokens.shape
        found = self.embedding.index_select(0, tokens.reshape(-1)).view(B, T, -1)
        return found + self.positions(T)

    def embed_prefixes(self, prefixes: Prefixes) -> Float[Tensor, "U C"]:
        """What `embed` gives for the last token of each prefix."""
        T = prefixes.rows.shape[1]
        found = gathered(self.embedding, prefixes.tokens)
        return found + gathered(self.positions(T), prefixes.positions)

    def rows(self, T: int) -> Float[Tensor, "T V C"]:
        """What `embed` gives for every token at every position."""
        return self.positions(T)[:, None] + self.embedding

    def logits(self, x: Float[Tensor, "B A C"]) -> Float[Tensor, "B A V"]:
        """The last residual stream, unembedded in float32."""
        if self.settings.norm == "pre":
            x = self.transformer["ln_f"](x)
        return x @ self.unembedding.T

    def attention(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "L B H T T"]:
        """The attention maps of all layers: row t is where position t looks."""
        everywhere, dtype = tuple(range(tokens.shape[1])), self.matmul_dtype
        if self._takes_one_layer(tokens):
            occurring, only = self._occurring(len(everywhere)), self.blocks[0]
            x = self._embed_occurring(occurring)
            return one_layer_attention(x, only, tokens, occurring=occurring, dtype=dtype)[None]
        x, maps = self.embed(tokens), []
        for layer, block in enumerate(self.blocks):
            maps.append(block.attn.heads(block.attention_input(x), everywhere, dtype)[0])
            if layer < len(self.blocks) - 1:
                x = self.think(block.attend(x, everywhere, dtype), layer)
        return torch.stack(maps)

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Fresh weights; see `Network.reset`."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif ".ln_" in name:
                parameter.fill_(1.0)
            else:
                drawn = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(drawn * (self._spread(name) * self.settings.init_scale))

    def _spread(self, name: str) -> float:
        """Standard deviation of a weight's initial values, before `init_scale`."""
        if self.settings.init == "gpt2":
            residual = name.endswith("c_proj.weight")
            return 0.02 / (2 * self.settings.n_layers) ** 0.5 if residual else 0.02
        fan = len(self.embedding) if name.startswith("lm_head") else self.settings.d_model
        return fan**-0.5
