"""The random knowledge graph, and every path in it by number without listing any.

Shapes: ``F`` atomic facts, ``S`` the facts of a part of the graph, ``N`` paths, ``K`` hops.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64

from data.composition.settings import GraphSettings, n_ood


@dataclass(frozen=True, slots=True)
class Graph:
    """Atomic facts (head, relation, tail), ordered by head; no (head, relation) occurs twice."""

    head: Int64[np.ndarray, " F"]
    relation: Int64[np.ndarray, " F"]
    tail: Int64[np.ndarray, " F"]
    ood: Bool[np.ndarray, " F"]
    """Which facts are never composed in training."""


def draw_graph(settings: GraphSettings, *, seed: int) -> Graph:
    """The graph of a seed: relations without replacement, tails uniform over all entities.

    Self loops and repeated tails occur. Source: Wang et al. 2024, section 3.1.
    """
    rng = np.random.default_rng([seed, 0])
    n, degree = settings.n_entities, settings.out_degree
    chances = rng.random((n, settings.n_relations))
    relation = np.argpartition(chances, degree - 1, axis=1)[:, :degree]
    ood = np.zeros(n * degree, dtype=np.bool_)
    tail = rng.integers(0, n, size=n * degree, dtype=np.int64)
    ood[rng.permutation(n * degree)[: n_ood(settings)]] = True
    return Graph(
        head=np.repeat(np.arange(n, dtype=np.int64), degree),
        relation=np.sort(relation, axis=1).reshape(-1).astype(np.int64),
        tail=tail,
        ood=ood,
    )


@dataclass(frozen=True)
class Paths:
    """All paths of `hops` facts that use only `facts`, numbered 0 … n−1 in the order of facts."""

    graph: Graph
    facts: Int64[np.ndarray, " S"]
    """Ascending places in the graph of the facts that may be used."""
    hops: int

    @cached_property
    def _ends(self) -> list[Int64[np.ndarray, " S"]]:
        """For 0, 1 … further facts after each fact: how many paths begin at it or before it."""
        head, tail = self.graph.head[self.facts], self.graph.tail[self.facts]
        n_entities = int(self.graph.head[-1]) + 1
        paths_from = np.ones(n_entities, dtype=np.int64)
        ends: list[Int64[np.ndarray, " S"]] = []
        for _ in range(self.hops):
            after = paths_from[tail]
            ends.append(np.cumsum(after))
            paths_from = np.zeros(n_entities, dtype=np.int64)
            np.add.at(paths_from, head, after)
        return ends

    def __len__(self) -> int:
        return int(self._ends[-1][-1]) if len(self.facts) else 0

    def at(self, numbers: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, "N K"]:
        """The facts of each numbered path, as places in the graph."""
        head, tail = self.graph.head[self.facts], self.graph.tail[self.facts]
        left, steps = numbers, list[Int64[np.ndarray, " N"]]()
        for further in reversed(range(self.hops)):
            ends = np.concatenate([np.zeros(1, dtype=np.int64), self._ends[further]])
            if steps:
                left = left + ends[np.searchsorted(head, tail[steps[-1]])]
            step = np.searchsorted(ends, left, side="right") - 1
            left = left - ends[step]
            steps.append(step)
        return self.facts[np.stack(steps, axis=1)]
