"""Entities with values of attributes, and comparisons of them by number without listing any.

An item (attribute, first, second) asks how the first entity's value compares with the second's.

Shapes: ``E`` entities, ``A`` attributes, ``D`` entities of one kind by attribute, ``N`` items.
"""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from jaxtyping import Bool, Int64

from data.sampling import distinct

Items = Int64[np.ndarray, "N 3"]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Values of all entities, and which entities are out of distribution for which attribute."""

    values: Int64[np.ndarray, "E A"]
    known: Int64[np.ndarray, "A D"]
    """Entities in distribution, ascending, by attribute."""
    unseen: Int64[np.ndarray, "A U"]
    """Entities out of distribution, ascending, by attribute."""
    key: int
    """Decides which comparisons are held out."""

    def comparison(self, items: Items) -> Int64[np.ndarray, " N"]:
        """0 where the first value is less, 1 where they are equal, 2 where it is greater."""
        attribute, first, second = items.T
        return 1 + np.sign(self.values[first, attribute] - self.values[second, attribute])

    def held_out(self, items: Items, *, share: float) -> Bool[np.ndarray, " N"]:
        """Whether items are kept for testing; both orders of a pair always share the answer."""
        attribute, first, second = items.T
        n_entities = len(self.values)
        low, high = np.minimum(first, second), np.maximum(first, second)
        pair = ((attribute * n_entities + low) * n_entities + high).astype(np.uint64)
        return _mixed(pair + np.uint64(self.key)) < share


def draw_knowledge(
    *, n_entities: int, n_attributes: int, n_values: int, n_ood: int, seed: int
) -> Knowledge:
    """Independent uniform values; `n_ood` entities out of distribution, anew by attribute."""
    rng = np.random.default_rng([seed, 0])
    values = rng.integers(0, n_values, size=(n_entities, n_attributes), dtype=np.int64)
    order = np.stack([rng.permutation(n_entities) for _ in range(n_attributes)]).astype(np.int64)
    return Knowledge(
        values=values,
        known=np.sort(order[:, n_ood:], axis=1),
        unseen=np.sort(order[:, :n_ood], axis=1),
        key=int(rng.integers(2**62)),
    )


def n_items(entities: Int64[np.ndarray, "A D"]) -> int:
    """How many ordered pairs of different entities there are, over all attributes."""
    n_attributes, n = entities.shape
    return n_attributes * n * (n - 1)


def items_at(entities: Int64[np.ndarray, "A D"], numbers: Int64[np.ndarray, " N"]) -> Items:
    """The ordered pairs numbered 0 … `n_items`−1."""
    n = entities.shape[1]
    attribute, pair = np.divmod(numbers, n * (n - 1))
    first, second = np.divmod(pair, n - 1)
    second = second + (second >= first)
    return np.stack([attribute, entities[attribute, first], entities[attribute, second]], axis=1)


def draw_items(
    knowledge: Knowledge, rng: np.random.Generator, *, size: int, held_out: bool, share: float
) -> Items:
    """`size` items in distribution that are held out, or are not; fewer if there are fewer."""
    total, side = n_items(knowledge.known), share if held_out else 1 - share
    asked = ceil((size + 6 * sqrt(size) + 20) / side)
    while True:
        asked = min(asked, total)
        items = items_at(knowledge.known, distinct(rng, total, asked))
        items = items[knowledge.held_out(items, share=share) == held_out]
        if len(items) >= size or asked == total:
            return items[:size]
        asked *= 2


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1), one for each integer: the finaliser of SplitMix64.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)) * 2.0**-53
