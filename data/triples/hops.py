"""Which facts follow from two in a row, counted and drawn without writing all of them down.

From (h, r1, b) and (b, r2, t) follows that r1 and then r2 lead from h to t. A graph in which many
facts meet has far more of these than facts, so they are numbered: first by the first fact, then by
the second.

Shapes: ``F`` facts, ``N`` inferred facts.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

Facts = Int64[np.ndarray, "F 3"]
"""Head, relation and tail of each."""


@dataclass(frozen=True, slots=True)
class Hops:
    """The inferred facts of some atomic facts, by number."""

    first: Facts
    """The facts as given: one of these is the first hop."""

    second: Facts
    """The same facts ordered by head: some successive ones are the second hops of a first."""

    begin: Int64[np.ndarray, " F"]
    """Where in `second` the continuations of each first fact begin."""

    end: Int64[np.ndarray, " F"]
    """How many inferred facts the first facts up to and with each one give."""

    @classmethod
    def of(cls, facts: Facts) -> "Hops":
        """The two-hop facts whose both hops are among `facts`."""
        degree = np.bincount(facts[:, 0], minlength=int(facts.max(initial=0)) + 1)
        continuations = degree[facts[:, 2]]
        return cls(
            first=facts,
            second=facts[np.argsort(facts[:, 0], kind="stable")],
            begin=(np.cumsum(degree) - degree)[facts[:, 2]],
            end=np.cumsum(continuations),
        )

    def __len__(self) -> int:
        return int(self.end[-1]) if len(self.end) else 0

    def at(self, numbers: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, "N 4"]:
        """Head, first relation, second relation and tail of the numbered inferred facts."""
        one = np.searchsorted(self.end, numbers, side="right")
        before = np.where(one > 0, self.end[one - 1], 0)
        other = self.begin[one] + numbers - before
        return np.concatenate([self.first[one, :2], self.second[other, 1:]], axis=1)
