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
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

MOST_SHARE = 0.8
"""Sharing pays up to this share of the B·T rows; above it, what is gathered costs more."""

MOST_TOKENS = 8
"""Longer rows do not take this way: each prefix gathers the keys and values of all its positions,
and longer prefixes are shared by few."""


class Prefixes:
    """The distinct prefixes among some examples, numbered position by position."""

    def __init__(self, tokens: Int[Tensor, "B T"]) -> None:
        # Numba is imported where its loops are called
        from engine.kernels.shared_prefixes import numbered

        rows, sees, starts = numbered(tokens.contiguous().numpy())
        self.starts: list[int] = starts.tolist()
        """The first row of each position, and after the last one."""
        self.rows: Int[Tensor, "B T"] = torch.from_numpy(rows)
        self.sees: Int[Tensor, "U T"] = torch.from_numpy(sees)
        """For each row, those of its positions up to its own; -1 for what lies ahead."""
        # any example with that prefix tells its token
        self.tokens = tokens.new_empty(len(sees)).scatter_(
            0, self.rows.flatten(), tokens.flatten()
        )

    @cached_property
    def hidden(self) -> Bool[Tensor, "U T"]:
        """What lies ahead of each row."""
        return self.sees < 0

    @cached_property
    def seen(self) -> Int[Tensor, "U T"]:
        """`sees`; what lies ahead is to be masked, and the number of some row stands there."""
        return torch.where(self.hidden, torch.arange(len(self))[:, None], self.sees)

    @cached_property
    def positions(self) -> Int[Tensor, " U"]:
        """Where each prefix ends."""
        return (self.sees >= 0).sum(1) - 1

    @cached_property
    def places_of_ends(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which distinct (position, token) each prefix ends with, their tokens and starts."""
        from engine.kernels.shared_prefixes import by_place

        return by_place(self.tokens.numpy(), np.array(self.starts))

    def __len__(self) -> int:
        return len(self.sees)

    @property
    def pays(self) -> bool:
        """Whether enough examples share their prefixes."""
        return len(self) <= MOST_SHARE * self.rows.numel()

    def of_positions(self, read: Sequence[int]) -> Int[Tensor, " S"]:
        """The rows of some positions."""
        rows = [np.arange(*self.starts[t : t + 2]) for t in read]
        return torch.from_numpy(np.concatenate(rows))

    def by_position(
        self, positions: Sequence[int]
    ) -> Iterator[tuple[int, slice, Int[Tensor, "S t"]]]:
        """For each position: itself, its rows, and the rows that each of them may see."""
        for t in positions:
            rows = slice(*self.starts[t : t + 2])
            yield t, rows, self.seen[rows, : t + 1]

    def places(self, read: tuple[int, ...]) -> Int[Tensor, "B A"]:
        """Where each example's read positions stand among `of_positions(read)`."""
        rows, n = self.rows.numpy(), 0
        found = np.empty((len(rows), len(read)), np.int64)
        for a, t in enumerate(read):
            found[:, a] = rows[:, t] + (n - self.starts[t])
            n += self.starts[t + 1] - self.starts[t]
        return torch.from_numpy(found)
