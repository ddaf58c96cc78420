"""Which comparisons of unknown entities follow from what is trained on, and how easily.

For each attribute, x → y says that x's value is at least y's. A comparison of two unknown
entities can be derived where a path leads from one to the other: one direction alone means more
(a path of equal steps could be walked back), both directions mean equal.

- *easy*: paths of comparisons that are trained on.
- *hard*: not easy, but there are paths once known entities are also compared by the values that
  are trained on: from the greatest known value that x is said to reach, to the least that is said
  to reach y.

Shapes: ``Q`` ordered pairs of unknown entities, ``S`` comparisons that are trained on.
Source: Wang et al. 2024 (arXiv 2405.15071), section 5 and appendix F.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from data.comparison.knowledge import Items, Knowledge, items_at, n_items


@dataclass(frozen=True, slots=True)
class Queries:
    """All comparisons of unknown entities, by what they follow from."""

    hard: Int64[np.ndarray, "H 3"]
    easy: Int64[np.ndarray, "Z 3"]


def derive(knowledge: Knowledge, trained: Items) -> Queries:
    """Sorts the comparisons of unknown entities; those that cannot be derived are left out."""
    queries = items_at(knowledge.unseen, np.arange(n_items(knowledge.unseen), dtype=np.int64))
    comparison = knowledge.comparison(trained)
    easy = np.zeros(len(queries), dtype=np.bool_)
    derivable = np.zeros(len(queries), dtype=np.bool_)
    for attribute, unseen in enumerate(knowledge.unseen):
        told = trained[:, 0] == attribute
        first, second = trained[told, 1], trained[told, 2]
        at_least, at_most = comparison[told] >= 1, comparison[told] <= 1
        upper = np.concatenate([first[at_least], second[at_most]])
        lower = np.concatenate([second[at_least], first[at_most]])
        asked = queries[:, 0] == attribute
        x, y = queries[asked, 1], queries[asked, 2]
        place = np.searchsorted(unseen, np.stack([x, y]))
        reached = _reached(upper, lower, sources=unseen, n_entities=len(knowledge.values))
        easy[asked] = reached[y, place[0]] | reached[x, place[1]]
        least, most = _bounds(knowledge, attribute, upper, lower)
        derivable[asked] = (most[x] >= least[y]) | (most[y] >= least[x])
    return Queries(hard=queries[derivable & ~easy], easy=queries[easy])


def _reached(
    upper: Int64[np.ndarray, " S"],
    lower: Int64[np.ndarray, " S"],
    *,
    sources: Int64[np.ndarray, " U"],
    n_entities: int,
) -> Bool[np.ndarray, "E U"]:
    """Whether each entity is reached from each source, in rounds of one step from all at once."""
    order = np.argsort(lower, kind="stable")
    upper, lower = upper[order], lower[order]
    begins = np.flatnonzero(np.diff(lower, prepend=-1))
    reached = np.zeros((n_entities, len(sources)), dtype=np.bool_)
    reached[sources, np.arange(len(sources))] = True
    bits = np.packbits(reached, axis=1)
    while len(lower):
        before = bits.copy()
        bits[lower[begins]] |= np.bitwise_or.reduceat(bits[upper], begins, axis=0)
        if np.array_equal(bits, before):
            break
    return np.unpackbits(bits, axis=1, count=len(sources)).astype(np.bool_)


def _bounds(
    knowledge: Knowledge,
    attribute: int,
    upper: Int64[np.ndarray, " S"],
    lower: Int64[np.ndarray, " S"],
) -> tuple[Int64[np.ndarray, " E"], Int64[np.ndarray, " E"]]:
    """The least known value said to reach each entity, and the greatest that it reaches."""
    values = knowledge.values[:, attribute]
    known = np.zeros(len(values), dtype=np.bool_)
    known[knowledge.known[attribute]] = True
    least = np.full(len(values), values.max() + 1)
    most = np.full(len(values), -1)
    np.minimum.at(least, lower[known[upper]], values[upper[known[upper]]])
    np.maximum.at(most, upper[known[lower]], values[lower[known[lower]]])
    return least, most
