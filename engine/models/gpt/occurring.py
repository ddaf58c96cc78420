"""Which rows of (position, token) occur in a task's examples, and which of them each result takes.

Shapes: ``B`` examples, ``T`` tokens, ``R`` results (example, read position), ``Q`` rows that are
read, ``K`` rows summed for each result, one a head.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from engine.kernels.folded_weights import Rows
from engine.models.positions import at_positions
from engine.models.remembered import Remembered

Alphabets = Sequence[Sequence[int]]
"""For each position, the tokens that may stand there."""


class LookedUp(NamedTuple):
    """Which rows the results take, as far as the tokens tell."""

    rows: Int[Tensor, "B T"]
    """The number of each token's row."""
    queries: Int[Tensor, " Q"]
    """The rows that are read."""
    asked: Int[Tensor, " R"]
    """Each result's own row, numbered among `queries`."""
    by_head: Int[Tensor, "R K"]
    """The rows that are summed for each result, where each has one part a head; those of the
    reference left out."""


class Reference(NamedTuple):
    """A row that every result sees.

    What a head looks at adds up to 1, so that values may be told relative to those of one row,
    and this row's own need not be summed.
    """

    position: int
    row: int


class Occurring:
    """The rows of (position, token) that occur, numbered position by position."""

    def __init__(self, alphabets: Alphabets, *, vocab_size: int, n_heads: int) -> None:
        pairs = [(t, token) for t, tokens in enumerate(alphabets) for token in sorted(tokens)]
        self.positions, self.tokens = torch.tensor(pairs).T.contiguous()
        # a token that may not stand there gets a number that no table has
        self._numbers = torch.full((len(alphabets), vocab_size), len(pairs))
        self._numbers[self.positions, self.tokens] = torch.arange(len(pairs))
        self.length = len(alphabets)
        self._places = torch.arange(self.length)
        self._fixed = [t for t, tokens in enumerate(alphabets) if len(tokens) == 1]
        self._heads = torch.arange(n_heads)
        self.looked_up = Remembered(self._look_up)
        """(tokens, read positions) → `LookedUp`."""
        self.of_positions = cache(self._of_positions)
        """(read positions) → the numbers of all rows there."""
        self.reference = cache(self._reference)
        """(read positions) → the last position that has one token alone and that all see."""

    def _look_up(self, tokens: Int[Tensor, "B T"], read: tuple[int, ...]) -> LookedUp:
        rows, queries = self.rows(tokens), self.of_positions(read)
        asked = torch.searchsorted(queries, at_positions(rows, read).contiguous()).flatten()
        by_head = (rows.unsqueeze(-1) * len(self._heads) + self._heads).flatten(1)
        n_summed = (self.length - (self.reference(read) is not None)) * len(self._heads)
        summed = self.reference_last(by_head, read)[:, :n_summed]
        return LookedUp(rows, queries, asked, summed.repeat_interleave(len(read), 0))

    def rows(self, tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """The number of each token's row.

        Raises:
            IndexError: a token stands where it may not; the loops would read past the tables.
        """
        rows = self._numbers[self._places, tokens]
        if int(rows.max()) >= len(self.tokens):
            raise IndexError("A token stands at a position where the task has none of it.")
        return rows

    def read_rows(self, read: tuple[int, ...]) -> Rows:
        """The rows, and which of them are read, as loops take them."""
        return Rows(self.tokens, self.positions, self.of_positions(read))

    def _of_positions(self, read: tuple[int, ...]) -> Int[Tensor, " Q"]:
        return torch.isin(self.positions, torch.tensor(read)).nonzero().flatten()

    def _reference(self, read: tuple[int, ...]) -> Reference | None:
        seen = [t for t in self._fixed if t <= min(read)]
        if not seen:
            return None
        row = int((self.positions == seen[-1]).nonzero())
        return Reference(seen[-1], row)

    def reference_last(
        self, by_head: Shaped[Tensor, "R TH"], read: tuple[int, ...]
    ) -> Shaped[Tensor, "R K"]:
        """The columns of heads within positions, the reference's last or left out."""
        reference = self.reference(read)
        if reference is None or reference.position == self.length - 1:
            return by_head
        start = reference.position * len(self._heads)
        stop = start + len(self._heads)
        return torch.cat([by_head[:, :start], by_head[:, stop:]], 1)
