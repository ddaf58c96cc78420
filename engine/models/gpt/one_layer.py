"""How one layer without norms computes its logits when few different tokens fill many examples.

Nothing but the ReLU stands between such a network's tables and its logits, so that each product
can be taken before positions are mixed, on the few rows that occur, instead of after, on every
example:

    hidden = ReLU(b + x_a W_in + Σ_{t,h} weight_{t,h} · v_{t,h} O_h W_in)
    logits = (x_a + Σ_{t,h} weight_{t,h} · v_{t,h} O_h) Uᵀ + hidden W_out Uᵀ

O_h W_in is one product of two weights, v_{t,h} O_h W_in one row for each (position, token, head).
What remains for an example is a weighted sum of T·H such rows and the product of its hidden
layer. For Nanda's setting that leaves 1.6 of the 3.7 GFLOP that a step has with the savings of
`engine.models.gpt.table`. Sums are taken in another order than in `GPT.forward`; the values are
those of the same network, which the tests compare in float64.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``F`` d_mlp,
``H`` heads, ``D`` d_head, ``N`` rows of (position, token) that occur, ``Q`` those of them that
are read, ``V`` vocabulary, ``R`` results (example, read position), ``K`` rows summed for each.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from engine.kernels.looked_up import looked_up_attention
from engine.kernels.row_sums import Places, summed_rows
from engine.models.gpt.block import Block
from engine.models.gpt.layers import MLP
from engine.models.gpt.rectified import rectified_logits
from engine.models.gpt.settings import DecoderSettings
from engine.models.positions import at_positions, hidden
from engine.models.remembered import Remembered

LANES = 16
"""Numbers in a vector of the widest processors."""

Alphabets = Sequence[Sequence[int]]
"""For each position, the tokens that may stand there."""


SLOWNESS = 4
"""How many multiplications of a large product take the time of one in a sum of rows."""


def applies(settings: DecoderSettings, *, vocab_size: int, length: int) -> bool:
    """Whether a network of these settings has the form above, and gains by it.

    A sum of T·H rows behind the matrices stands against one of T rows and the matrices' product:
    over many tokens it costs more.
    """
    summed = length * settings.n_heads * (settings.d_mlp + vocab_size)
    multiplied = settings.d_model * (length + settings.d_model + settings.d_mlp)
    return settings.n_layers == 1 and settings.norm == "none" and SLOWNESS * summed <= multiplied


class LookedUp(NamedTuple):
    """Which rows the results take, as far as the tokens tell."""

    rows: Int[Tensor, "B T"]
    """The number of each token's row."""
    queries: Int[Tensor, " Q"]
    """The rows that are read."""
    asked: Int[Tensor, " R"]
    """Each result's own row, numbered among `queries`."""
    by_head: Int[Tensor, "R K"]
    """The rows that are summed for each result, where each has one part a head."""


class Occurring:
    """The rows of (position, token) that occur, numbered position by position."""

    def __init__(self, alphabets: Alphabets, *, vocab_size: int, n_heads: int) -> None:
        pairs = [(t, token) for t, tokens in enumerate(alphabets) for token in sorted(tokens)]
        self.positions, self.tokens = torch.tensor(pairs).T
        # a token that may not stand there gets a number that no table has
        self._numbers = torch.full((len(alphabets), vocab_size), len(pairs))
        self._numbers[self.positions, self.tokens] = torch.arange(len(pairs))
        self._places = torch.arange(len(alphabets))
        self._heads = torch.arange(n_heads)
        self.looked_up = Remembered(self._look_up)
        """(tokens, read positions) → `LookedUp`."""

    def _look_up(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> LookedUp:
        rows, queries = self.rows(tokens), self.of_positions(read)
        asked = torch.searchsorted(queries, at_positions(rows, read).contiguous()).flatten()
        by_head = (rows.unsqueeze(-1) * len(self._heads) + self._heads).flatten(1)
        return LookedUp(rows, queries, asked, by_head.repeat_interleave(len(read), 0))

    def rows(self, tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """The number of each token's row.

        Raises:
            IndexError: a token stands where it may not; the loops would read past the tables.
        """
        rows = self._numbers[self._places, tokens]
        if int(rows.max()) >= len(self.tokens):
            raise IndexError("A token stands at a position where the task has none of it.")
        return rows

    def of_positions(self, read: tuple[int, ...]) -> Int[Tensor, " Q"]:
        """The numbers of all rows at some positions."""
        return torch.isin(self.positions, torch.tensor(read)).nonzero().flatten()


def one_layer_logits(
    x: Float[Tensor, "N C"],
    block: Block,
    unembedding: Float[Tensor, "V C"],
    tokens: Int[Tensor, "B T"],
    read: tuple[int, ...],
    *,
    occurring: Occurring,
    dtype: torch.dtype,
) -> Float[Tensor, "B A V"]:
    """Logits at the positions `read`, from the embedded rows that occur."""
    looked_up = occurring.looked_up(tokens, read)
    weights, values = _attention(x, block, looked_up, read=read, dtype=dtype)
    places = Places(weights, looked_up.by_head, looked_up.asked)
    add = _Adder(x[looked_up.queries], values, block, places)

    mlp = block.mlp
    if mlp.rectifies and _folds(mlp, unembedding):
        out = add.rectified_logits(mlp, unembedding, dtype)
    else:
        within = mlp.activation(add(mlp.c_fc.weight, mlp.c_fc.bias))
        out = (add.residual() + mlp.c_proj(within, dtype)) @ unembedding.T
    return out.view(len(tokens), len(read), -1)


def one_layer_attention(
    x: Float[Tensor, "N C"],
    block: Block,
    tokens: Int[Tensor, "B T"],
    *,
    occurring: Occurring,
    dtype: torch.dtype,
) -> Float[Tensor, "B H T T"]:
    """The attention maps of all examples, from the embedded rows that occur."""
    everywhere = tuple(range(tokens.shape[1]))
    looked_up = occurring.looked_up(tokens, everywhere)
    weights, _ = _attention(x, block, looked_up, read=everywhere, dtype=dtype)
    return weights.view(*tokens.shape, len(everywhere), -1).permute(0, 3, 1, 2)


class _Adder:
    """Weighted sums of what attention's values become behind a matrix."""

    def __init__(
        self,
        start: Float[Tensor, "Q C"],
        values: Float[Tensor, "N H D"],
        block: Block,
        places: Places,
    ) -> None:
        bias = block.attn.c_proj.bias
        self._start = start if bias is None else start + bias
        self._values, self._out = values, block.attn.c_proj.weight
        self._places = places

    def __call__(
        self, matrix: Float[Tensor, "C W"], bias: Float[Tensor, " W"] | None
    ) -> Float[Tensor, "R W"]:
        """(residual stream after attention) · matrix + bias."""
        return summed_rows(*self._behind(matrix, bias), self._places)

    def residual(self) -> Float[Tensor, "R C"]:
        """The residual stream after attention."""
        return summed_rows(self._table(self._out), self._start, self._places)

    def rectified_logits(
        self, mlp: MLP, unembedding: Float[Tensor, "V C"], dtype: torch.dtype
    ) -> Float[Tensor, "R V"]:
        """The logits that the residual stream and a rectified hidden layer give."""
        matrix, bias = torch.cat([mlp.c_fc.weight, unembedding.T], 1), None
        missing = -matrix.shape[1] % LANES
        if mlp.c_fc.bias is not None and mlp.c_proj.bias is not None:
            joined = torch.cat([mlp.c_fc.bias, unembedding @ mlp.c_proj.bias])
            bias = functional.pad(joined, (0, missing))
        matrix = functional.pad(matrix, (0, missing))
        table, base = self._behind(matrix, bias)
        return rectified_logits(table, base, self._places, mlp.c_proj.weight, unembedding, dtype)

    def _behind(
        self, matrix: Float[Tensor, "C W"], bias: Float[Tensor, " W"] | None
    ) -> tuple[Float[Tensor, "N W"], Float[Tensor, "Q W"]]:
        """What each row of values, and each start, becomes behind a matrix."""
        start, dtype = self._start @ matrix, self._values.dtype
        table = self._table(self._out.to(dtype) @ matrix.to(dtype))
        return table, start if bias is None else start + bias

    def _table(self, behind: Float[Tensor, "C W"]) -> Float[Tensor, "N W"]:
        N, H, D = self._values.shape
        by_head = behind.to(self._values.dtype).view(H, D, -1)
        table = torch.bmm(self._values.transpose(0, 1), by_head).transpose(0, 1)
        return table.to(self._start.dtype).reshape(N * H, -1)


def _attention(
    x: Float[Tensor, "N C"],
    block: Block,
    looked_up: LookedUp,
    *,
    read: tuple[int, ...],
    dtype: torch.dtype,
) -> tuple[Float[Tensor, "R K"], Float[Tensor, "N H D"]]:
    """Where each read position looks, heads within positions, and the values of all rows."""
    attn, (rows, queries, asked, _) = block.attn, looked_up
    T, heads = rows.shape[1], (attn.n_heads, attn.d_head)
    q, k, v = (part.unflatten(-1, heads) for part in attn.c_attn(x, dtype).chunk(3, -1))
    products = torch.einsum("qhd,nhd->qnh", q[queries].to(x.dtype), k.to(x.dtype))
    mask = hidden(T, read, x.device)
    seen = torch.zeros(len(read), T, dtype=torch.bool) if mask is None else mask
    return looked_up_attention(products, rows, asked, seen, attn.d_head**-0.5), v


def _folds(mlp: MLP, unembedding: Tensor) -> bool:
    """Whether W_out Uᵀ as one matrix saves products."""
    (V, C), F = unembedding.shape, mlp.c_fc.weight.shape[1]
    return F * V < F * C + C * V
