"""What an upload of triples says: facts as tokens, and which of them are out of distribution."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int64

from data.errors import UploadRefused
from data.triples.hops import Facts, Hops
from data.uploads import shelf
from data.uploads.parse import Table, parse
from data.uploads.vocabulary import answers_first

_OOD_SEED = 0
"""Draws which facts are out of distribution, the same for every run on an upload."""


@dataclass(frozen=True, slots=True)
class Graph:
    """An uploaded graph, its names written as tokens, and what follows from its facts."""

    facts: Int64[np.ndarray, "F 3"]
    """All facts, in the order of the upload."""

    id: Int64[np.ndarray, "I 3"]
    """Facts in distribution."""

    ood: Int64[np.ndarray, "O 3"]
    """Facts that training composes with nothing."""

    id_hops: Hops
    """Inferred facts of facts that are all in distribution."""

    ood_hops: Hops
    """Inferred facts of facts that are all out of distribution."""

    token_names: tuple[str, ...]
    """Tails, the other entities, relations, PAD."""

    n_tails: int
    """Entities that are the tail of some fact: the answers."""

    def n_inferred(self, ood_share: float) -> tuple[int, int]:
        """How many inferred facts another share would leave in and out of distribution."""
        is_ood = _out_of_distribution(len(self.facts), ood_share)
        return len(Hops.of(self.facts[~is_ood])), len(Hops.of(self.facts[is_ood]))


@lru_cache(maxsize=2)
def read_graph(sha256: str, *, header: bool, ood_share: float) -> Graph:
    """The graph of an upload; the same for every seed, so that runs of a sweep share shapes.

    Raises:
        UploadRefused: the upload is not kept here, was changed, cannot be used, or no fact in it
            leads on to another.
    """
    facts, names, n_tails = _as_tokens(parse(shelf.read(sha256), width=3, header=header))
    is_ood = _out_of_distribution(len(facts), ood_share)
    if not np.isin(facts[:, 2], facts[:, 0]).any():
        raise UploadRefused(
            "no fact in the upload leads on to another, so nothing follows from two of them; "
            "some tails must be the head of another line"
        )
    return Graph(
        facts=facts,
        id=facts[~is_ood],
        ood=facts[is_ood],
        id_hops=Hops.of(facts[~is_ood]),
        ood_hops=Hops.of(facts[is_ood]),
        token_names=names,
        n_tails=n_tails,
    )


def _out_of_distribution(n: int, ood_share: float) -> Bool[np.ndarray, " F"]:
    """Which of `n` facts are; a greater share adds facts and takes none away."""
    is_ood = np.zeros(n, dtype=bool)
    is_ood[np.random.default_rng(_OOD_SEED).permutation(n)[: round(ood_share * n)]] = True
    return is_ood


def _as_tokens(table: Table) -> tuple[Facts, tuple[str, ...], int]:
    """Entities first, those that are a tail before the others; then relations, then PAD.

    A name that is an entity and a relation becomes two tokens.
    """
    heads, relations, tails = table.cells.T
    n = len(tails)
    entities, ends = _renamed(table, np.concatenate([tails, heads]))
    token, names, n_tails = answers_first(entities, ends[:n])
    predicates, between = _renamed(table, relations)
    facts = np.stack([token[ends[n:]], len(names) + between, token[ends[:n]]], axis=1)
    return facts, (*names, *predicates, "PAD"), n_tails


def _renamed(
    table: Table, cells: Int64[np.ndarray, " N"]
) -> tuple[tuple[str, ...], Int64[np.ndarray, " N"]]:
    """Only the names that stand in `cells`, and the cells as places among them."""
    used, places = np.unique(cells, return_inverse=True)
    return tuple(table.names[place] for place in used), places.astype(np.int64)
