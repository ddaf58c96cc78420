"""How new facts are taught with some of the old ones, and where their use is tested.

New facts are linked pairs `a r1 → b`, `b r2 → t` of entities and relations that exist, an entity
having a relation that it did not have. Rows are those of `composition`, for example, `e3 r9` and
`e8 r1` being new and `e8 r2` old,

    h r  PAD        read at 1    e3 r9 PAD → e8      in train, and in `atomic_new`
    h r1 r2         read at 2    e3 r9 r2  → e5      `test_new_old`
    h r1 r2         read at 2    e3 r9 r1  → e7      `test_new_new`

Splits: `train` holds all new facts and `n_retained` rows of the old training: atomic facts in
distribution, each with every trained fact that uses it, until the number is reached (the last one
in part). Held out are all compositions of a new fact with a kept old one (`test_new_old`), of a
kept old one with a new one (`test_old_new`) and of new ones (`test_new_new`); `atomic_new` probes
the memory of new facts. None of these compositions is ever trained on.

Source: He et al. 2026 (arXiv 2601.09049), section 5.
"""

import numpy as np
from jaxtyping import Int64

from data.composition.graph import Graph, draw_graph
from data.composition.settings import largest_phi
from data.composition.task import guessing_of, in_distribution, render
from data.composition.tokens import (
    draw_tokens,
    length,
    n_classes,
    read_at,
    roles,
    token_names,
    vocabulary,
)
from data.errors import DrawError
from data.sampling import distinct
from data.splits import at_most, joined, some
from data.task import TaskData, TaskSizes
from data.transfer.settings import TransferSettings, expected_mixed


def build(settings: TransferSettings, *, seed: int) -> TaskData:
    """Draws new facts on the graph of the seed; every split is in random order.

    Raises:
        DrawError: if the graph has too few facts for phi, or a kind of composition has none.
    """
    old = draw_graph(settings, seed=seed)
    tokens = draw_tokens(settings, seed=seed)
    trained, _ = in_distribution(settings, old, np.random.default_rng([seed, 2]), seed=seed)
    rng = np.random.default_rng([seed, 4])
    graph = _extended(settings, old, rng)
    kept, retained = _retained(settings, old, trained, rng)
    new = np.arange(len(old.head), len(graph.head), dtype=np.int64)
    held_out = {
        "test_new_old": _joined(graph, new, kept),
        "test_old_new": _joined(graph, kept, new),
        "test_new_new": _joined(graph, new, new),
    }
    for name, paths in held_out.items():
        if not len(paths):
            raise DrawError(
                f"seed {seed} draws nothing for {name}; raise n_new (now {settings.n_new:,}) or "
                f"n_retained (now {settings.n_retained:,}), or take another seed"
            )
    rows = {name: render(graph, tokens, paths) for name, paths in held_out.items()}
    taught = render(graph, tokens, new[:, None])
    repeated = render(graph, tokens, retained)
    chance, majority = guessing_of([repeated, *rows.values()])
    return TaskData(
        splits={
            "train": joined(rng, taught, render(graph, tokens, kept[:, None]), repeated),
            **{name: some(rng, each, settings.probes) for name, each in rows.items()},
            "atomic_new": some(rng, taught, settings.probes),
        },
        token_names=token_names(settings),
        n_classes=n_classes(settings),
        read_at=read_at(settings),
        chance=chance,
        majority=majority,
    )


def positions(settings: TransferSettings) -> tuple[str, ...]:
    """What stands at each position of a composed fact."""
    return roles(settings)


def sizes(settings: TransferSettings) -> TaskSizes:
    """What `build` will deliver; the draw decides how many compositions there are to test."""
    mixed = round(expected_mixed(settings))
    among_new = settings.n_new // 2 + round(settings.n_new**2 / settings.n_entities)
    test = at_most(settings.probes, mixed, mixed, among_new)
    train = settings.n_new + settings.n_retained
    answers = settings.n_entities if settings.tokens_per_entity == 1 else settings.n_names
    return TaskSizes(
        examples=train + test,
        train=train,
        test=test,
        vocabulary=vocabulary(settings),
        length=length(settings),
        n_classes=n_classes(settings),
        n_read=len(read_at(settings)),
        chance=1 / answers,
        probes=at_most(settings.probes, settings.n_new),
        largest_phi=largest_phi(settings),
    )


def _extended(settings: TransferSettings, old: Graph, rng: np.random.Generator) -> Graph:
    """The graph with new facts after the old ones; the first half of them lead to the second."""
    used = old.head * settings.n_relations + old.relation
    every = np.arange(settings.n_entities * settings.n_relations, dtype=np.int64)
    free = np.setdiff1d(every, used, assume_unique=True)
    pairs = free[distinct(rng, len(free), settings.n_new)]
    head, relation = np.divmod(pairs, settings.n_relations)
    half = settings.n_new // 2
    ends = rng.integers(0, settings.n_entities, size=half, dtype=np.int64)
    return Graph(
        head=np.concatenate([old.head, head]),
        relation=np.concatenate([old.relation, relation]),
        tail=np.concatenate([old.tail, head[half:], ends]),
        ood=np.concatenate([old.ood, np.ones(settings.n_new, dtype=np.bool_)]),
    )


def _retained(
    settings: TransferSettings,
    graph: Graph,
    trained: Int64[np.ndarray, "N 2"],
    rng: np.random.Generator,
) -> tuple[Int64[np.ndarray, " A"], Int64[np.ndarray, "M 2"]]:
    """Old facts in distribution, and trained paths that use one of them."""
    order = rng.permutation(np.flatnonzero(~graph.ood))
    rank = np.full(len(graph.head), len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    comes_with = rank[trained].min(axis=1)
    rows = np.cumsum(1 + np.bincount(comes_with, minlength=len(order)))
    n_kept = min(int(np.searchsorted(rows, settings.n_retained)) + 1, len(order))
    by_rank = trained[np.argsort(comes_with, kind="stable")]
    return order[:n_kept], by_rank[: settings.n_retained - n_kept]


def _joined(
    graph: Graph, first: Int64[np.ndarray, " A"], second: Int64[np.ndarray, " B"]
) -> Int64[np.ndarray, "N 2"]:
    """Every path of a first and a second fact."""
    second = second[np.argsort(graph.head[second], kind="stable")]
    begin = np.searchsorted(graph.head[second], graph.tail[first], side="left")
    n = np.searchsorted(graph.head[second], graph.tail[first], side="right") - begin
    within = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
    return np.stack([np.repeat(first, n), second[np.repeat(begin, n) + within]], axis=1)
