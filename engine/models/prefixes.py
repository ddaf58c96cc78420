"""How a causal network computes rows with the same prefix at the same position once.

What a causal network makes of position t depends on the tokens up to t alone. Examples share
prefixes: of 512 rows (h, r1, r2) over 50 entities, 50 at most differ at the first position and
some 350 at the second. Each distinct (position, prefix) is one row here, in every layer, and looks
at the rows of the prefixes that it begins with. How many rows there are depends on the examples,
so that neither vmap nor the compiler nor a recorded graph can take this way.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``U`` rows (distinct prefixes of all
positions), ``S`` those of some positions.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from engine.models.positions import at_positions

MOST_SHARE = 0.8
"""Sharing pays up to this share of the B·T rows; above it, what is gathered costs more."""

MOST_TOKENS = 8
"""Longer rows do not take this way: each prefix gathers the keys and values of all its positions,
and longer prefixes are shared by few."""


class Prefixes:
    """The distinct prefixes among some examples, numbered position by position."""

    def __init__(self, tokens: Int[Tensor, "B T"]) -> None:
        B, T = tokens.shape
        base = int(tokens.max()) + 1
        ids, n = tokens.new_zeros(B), 0
        rows: list[Tensor] = []
        seen: list[Tensor] = []
        self.starts: list[int] = []
        """The first row of each position, and after the last one."""
        for t in range(T):
            distinct, ids = torch.unique(ids * base + tokens[:, t], return_inverse=True)
            self.starts.append(n)
            rows.append(ids + n)
            n += len(distinct)
            # any example with that prefix tells which prefixes it begins with
            example = torch.empty_like(distinct).scatter_(0, ids, torch.arange(B))
            own = [row[example] for row in rows]
            # what lies ahead is masked; the number of some row has to stand there
            seen.append(torch.stack(own + own[-1:] * (T - 1 - t), 1))
        self.starts.append(n)
        self.rows: Int[Tensor, "B T"] = torch.stack(rows, 1)
        self.seen: Int[Tensor, "U T"] = torch.cat(seen)
        """For each row, those of its positions up to its own."""
        position = torch.arange(T).repeat_interleave(torch.tensor(self.starts).diff())
        self.hidden = torch.arange(T) > position[:, None]
        self.positions = position
        self.tokens = tokens.new_empty(n).scatter_(0, self.rows.flatten(), tokens.flatten())

    def __len__(self) -> int:
        return len(self.seen)

    @property
    def pays(self) -> bool:
        """Whether enough examples share their prefixes."""
        return len(self) <= MOST_SHARE * self.rows.numel()

    def of_positions(self, read: Sequence[int]) -> Int[Tensor, " S"]:
        """The rows of some positions."""
        return torch.cat([torch.arange(*self.starts[t : t + 2]) for t in read])

    def by_position(
        self, positions: Sequence[int]
    ) -> Iterator[tuple[int, slice, Int[Tensor, "S t"]]]:
        """For each position: itself, its rows, and the rows that each of them may see."""
        for t in positions:
            rows = slice(*self.starts[t : t + 2])
            yield t, rows, self.seen[rows, : t + 1]

    def places(self, read: tuple[int, ...]) -> Int[Tensor, "B A"]:
        """Where each example's read positions stand among `of_positions(read)`."""
        rows = self.of_positions(read)
        place = torch.empty(len(self), dtype=torch.long)
        place[rows] = torch.arange(len(rows))
        return place[at_positions(self.rows, read)]
