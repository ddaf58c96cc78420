"""Composed facts with one part out of distribution, added to what is trained on.

F1 are the facts out of distribution that some `test_ood` fact uses as its first hop, F2 those
that one uses as its second. Of a chosen share of F1, each (h, r1, b) is continued by k facts
(b, r, t) in distribution: `h r1 r → t` is trained on. Of a chosen share of F2, each (b, r2, t) is
reached by k facts (h, r, b) in distribution: `h r r2 → t` is. Neither part of a test fact is ever
composed with another fact out of distribution.

Source: He et al. 2026 (arXiv 2601.09049), section 2 and appendix C.
"""

from math import comb, exp

import numpy as np
from jaxtyping import Int64

from data.composition.graph import Graph
from data.composition.settings import GraphSettings, n_ood


def augmentation(settings: GraphSettings, graph: Graph, *, seed: int) -> Int64[np.ndarray, "N 2"]:
    """The added two-hop paths, as places in the graph; no path occurs twice."""
    rng = np.random.default_rng([seed, 3])
    unseen, known = np.flatnonzero(graph.ood), np.flatnonzero(~graph.ood)
    first = unseen[np.isin(graph.tail[unseen], graph.head[unseen])]
    second = unseen[np.isin(graph.head[unseen], graph.tail[unseen])]
    chosen = [
        rng.permutation(facts)[: round(share * len(facts))]
        for facts, share in (
            (first, settings.hop1_augmentation),
            (second, settings.hop2_augmentation),
        )
    ]
    onward = _partners(rng, graph.tail[chosen[0]], graph.head, known, most=settings.hop1_k)
    inward = _partners(rng, graph.head[chosen[1]], graph.tail, known, most=settings.hop2_k)
    return np.concatenate(
        [
            np.stack([chosen[0][onward[:, 0]], onward[:, 1]], axis=1),
            np.stack([inward[:, 1], chosen[1][inward[:, 0]]], axis=1),
        ]
    )


def expected_augmentation(settings: GraphSettings) -> int:
    """How many paths `augmentation` is expected to add.

    An entity has binomially many facts out of distribution among its `out_degree`, and is the
    tail of Poisson many facts of either kind.
    """
    if not (settings.hop1_augmentation or settings.hop2_augmentation):
        return 0
    d, o = settings.out_degree, settings.ood_share
    onward = sum(
        comb(d, j) * o**j * (1 - o) ** (d - j) * min(settings.hop1_k, d - j)
        for j in range(1, d + 1)
    )
    mean, chance, inward = d * (1 - o), exp(-d * (1 - o)), 0.0
    for j in range(1, round(mean + 20 * mean**0.5) + 20):
        chance *= mean / j
        inward += chance * min(settings.hop2_k, j)
    inward *= 1 - exp(-d * o)
    share1, share2 = settings.hop1_augmentation, settings.hop2_augmentation
    return round(n_ood(settings) * (share1 * onward + share2 * inward))


def _partners(
    rng: np.random.Generator,
    entities: Int64[np.ndarray, " C"],
    ends: Int64[np.ndarray, " F"],
    facts: Int64[np.ndarray, " S"],
    *,
    most: int,
) -> Int64[np.ndarray, "N 2"]:
    """For each entity at most so many random `facts` that end there: (place of entity, fact)."""
    facts = rng.permutation(facts)
    facts = facts[np.argsort(ends[facts], kind="stable")]
    begin = np.searchsorted(ends[facts], entities, side="left")
    n = np.searchsorted(ends[facts], entities, side="right") - begin
    place = np.repeat(np.arange(len(entities), dtype=np.int64), n)
    within = np.arange(len(place)) - np.repeat(np.cumsum(n) - n, n)
    order = np.lexsort((rng.random(len(place)), place))
    taken = order[within < most]
    return np.stack([place[taken], facts[begin[place] + within][taken]], axis=1)
