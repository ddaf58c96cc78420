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

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.kernels.row_sums import summed_rows
from engine.models.gpt.block import Block
from engine.models.gpt.layers import MLP
from engine.models.gpt.settings import DecoderSettings
from engine.models.gpt.unembedded import add_unembedded
from engine.models.positions import at_positions, hidden

Alphabets = Sequence[Sequence[int]]
"""For each position, the tokens that may stand there."""


def applies(settings: DecoderSettings) -> bool:
    """Whether a network of these settings has the form above."""
    return settings.n_layers == 1 and settings.norm == "none"


class Occurring:
    """The rows of (position, token) that occur, numbered position by position."""

    def __init__(self, alphabets: Alphabets, *, vocab_size: int) -> None:
        pairs = [(t, token) for t, tokens in enumerate(alphabets) for token in sorted(tokens)]
        self.positions, self.tokens = torch.tensor(pairs).T
        # a token that may not stand there gets a number that no table has
        self._numbers = torch.full((len(alphabets), vocab_size), len(pairs))
        self._numbers[self.positions, self.tokens] = torch.arange(len(pairs))
        self._places = torch.arange(len(alphabets))

    def rows(self, tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """The number of each token's row."""
        return self._numbers[self._places, tokens]

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
    B, A = len(tokens), len(read)
    rows = occurring.rows(tokens)
    queries = occurring.of_positions(read)
    asked = torch.searchsorted(queries, at_positions(rows, read).contiguous()).flatten()
    weights, values = _attention(x, block, queries, rows=rows, asked=asked, read=read)
    # a row of the tables for each head of each row that occurs
    table_rows = (rows.unsqueeze(-1) * values.shape[1] + torch.arange(values.shape[1])).flatten(1)
    table_rows = table_rows.repeat_interleave(A, 0)
    add = _Adder(x[queries], values, block, weights=weights, rows=table_rows, asked=asked)

    mlp = block.mlp
    within = add(mlp.c_fc.weight, mlp.c_fc.bias, rectified=mlp.rectifies)
    if not mlp.rectifies:
        within = mlp.activation(within)
    if _folds(mlp, unembedding):
        bias = mlp.c_proj.bias
        of_attention = add(unembedding.T, None if bias is None else unembedding @ bias)
        out = add_unembedded(of_attention, within, mlp.c_proj.weight, unembedding, dtype)
    else:
        out = (add.residual() + mlp.c_proj(within, dtype)) @ unembedding.T
    return out.view(B, A, -1)


class _Adder:
    """Weighted sums of what attention's values become behind a matrix."""

    def __init__(
        self,
        start: Float[Tensor, "Q C"],
        values: Float[Tensor, "N H D"],
        block: Block,
        *,
        weights: Float[Tensor, "R K"],
        rows: Int[Tensor, "R K"],
        asked: Int[Tensor, " R"],
    ) -> None:
        self._bias = block.attn.c_proj.bias
        self._start = start if self._bias is None else start + self._bias
        self._values, self._out = values, block.attn.c_proj.weight
        self._places: tuple[Tensor, ...] = (weights, rows, asked)

    def __call__(
        self,
        matrix: Float[Tensor, "C W"],
        bias: Float[Tensor, " W"] | None,
        *,
        rectified: bool = False,
    ) -> Float[Tensor, "R W"]:
        """(residual stream after attention) · matrix + bias, perhaps rectified."""
        start = self._start @ matrix
        return self._summed(
            self._out @ matrix, start if bias is None else start + bias, rectified=rectified
        )

    def residual(self) -> Float[Tensor, "R C"]:
        """The residual stream after attention."""
        return self._summed(self._out, self._start, rectified=False)

    def _summed(
        self, behind: Float[Tensor, "C W"], start: Float[Tensor, "Q W"], *, rectified: bool
    ) -> Float[Tensor, "R W"]:
        N, H, D = self._values.shape
        table = torch.bmm(self._values.transpose(0, 1), behind.view(H, D, -1))
        flat = table.transpose(0, 1).reshape(N * H, -1)
        return summed_rows(flat, start, *self._places, rectified=rectified)


def _attention(
    x: Float[Tensor, "N C"],
    block: Block,
    queries: Int[Tensor, " Q"],
    *,
    rows: Int[Tensor, "B T"],
    asked: Int[Tensor, " R"],
    read: tuple[int, ...],
) -> tuple[Float[Tensor, "R K"], Float[Tensor, "N H D"]]:
    """Where each read position looks, heads within positions, and the values of all rows."""
    attn, (B, T), A = block.attn, rows.shape, len(read)
    heads = (attn.n_heads, attn.d_head)
    q, k, v = (part.unflatten(-1, heads) for part in attn.c_attn(x, x.dtype).chunk(3, -1))
    products = torch.einsum("qhd,nhd->qnh", q[queries], k).flatten(0, 1)
    places = asked.view(B, A, 1) * len(x) + rows.unsqueeze(1)
    scores = products.index_select(0, places.flatten()).view(B, A, T, -1)
    mask = hidden(T, read, x.device)
    weights = attn.weigh(scores, None if mask is None else mask.unsqueeze(-1), keys=2)
    return weights.flatten(0, 1).flatten(1), v


def _folds(mlp: MLP, unembedding: Tensor) -> bool:
    """Whether W_out Uᵀ as one matrix saves products."""
    (V, C), F = unembedding.shape, mlp.c_fc.weight.shape[1]
    return F * V < F * C + C * V
