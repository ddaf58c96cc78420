"""Which token means what where entities are compared: answers first, then everything asked."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

Labels = Literal["attribute", "shared"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Values, labels, entities, attributes and symbols, in the order of their ids."""

    n_entities: int
    n_attributes: int
    n_values: int
    labels: Labels
    """Whether every attribute has its own three labels, or all share three."""
    symbols: tuple[str, ...]

    @property
    def n_classes(self) -> int:
        """Values and labels: what can be an answer."""
        return self.n_values + 3 * (self.n_attributes if self.labels == "attribute" else 1)

    @property
    def size(self) -> int:
        """How many token ids exist."""
        return self.n_classes + self.n_entities + self.n_attributes + len(self.symbols)

    def label(
        self, attribute: Int64[np.ndarray, " N"], comparison: Int64[np.ndarray, " N"]
    ) -> Int64[np.ndarray, " N"]:
        """The tokens of less (0), equal (1) and greater (2)."""
        own = 3 * attribute if self.labels == "attribute" else 0
        return self.n_values + own + comparison

    def entity(self, entity: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
        """The tokens of entities."""
        return self.n_classes + entity

    def attribute(self, attribute: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
        """The tokens of attributes."""
        return self.n_classes + self.n_entities + attribute

    def symbol(self, name: str) -> int:
        """The token of a symbol."""
        return self.size - len(self.symbols) + self.symbols.index(name)

    def row(
        self, parts: tuple[str | Int64[np.ndarray, " N"], ...], *, n: int
    ) -> Int64[np.ndarray, "N T"]:
        """`n` rows of tokens, one column for each symbol or array of tokens."""
        columns = [
            np.full(n, self.symbol(part), dtype=np.int64) if isinstance(part, str) else part
            for part in parts
        ]
        return np.stack(columns, axis=1)

    def names(self) -> tuple[str, ...]:
        """What every token id means."""
        owners = (
            [f"a{i}" for i in range(self.n_attributes)] if self.labels == "attribute" else [""]
        )
        return (
            *(f"v{i}" for i in range(self.n_values)),
            *(f"{owner}{sign}" for owner in owners for sign in "<=>"),
            *(f"e{i}" for i in range(self.n_entities)),
            *(f"a{i}" for i in range(self.n_attributes)),
            *self.symbols,
        )
