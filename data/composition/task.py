"""How the composed facts of a graph become training and held-out examples.

Splits: `train` holds every atomic fact and, for each atomic fact in distribution, phi inferred
ones; `test_id` inferred facts of the same atomic facts that are never trained on; `test_ood`
inferred facts whose atomic facts are all out of distribution, so that each was trained on but
composed with nothing (but by augmentation); `atomic_id` and `atomic_ood` probe the memory of
atomic facts, all of them trained on. Inferred facts of mixed parts are used by augmentation alone,
which leaves the graph and every held-out split as they are.

The published format ends an answer with a token of its own, which is not asked for here.
Source: Wang et al. 2024 (arXiv 2405.15071), section 3.1; two tokens: appendix C.
"""

import numpy as np
from jaxtyping import Int64

from data.composition.augmentation import augmentation, expected_augmentation
from data.composition.graph import Graph, Paths, draw_graph
from data.composition.settings import (
    GraphSettings,
    expected_held_out,
    expected_inferred,
    largest_phi,
    n_atomic,
    n_ood,
    n_train,
    n_train_inferred,
)
from data.composition.tokens import (
    Tokens,
    draw_tokens,
    length,
    n_classes,
    read_at,
    roles,
    token_names,
    vocabulary,
)
from data.errors import DrawError
from data.guessing import guessing
from data.sampling import distinct
from data.splits import at_most, joined, some
from data.task import IGNORED, Split, TaskData, TaskSizes

Places = Int64[np.ndarray, " N"]


def build(settings: GraphSettings, *, seed: int) -> TaskData:
    """Draws the graph of the seed and its splits, each in random order.

    Raises:
        DrawError: if the drawn graph has too few inferred facts for phi, or none to hold out.
    """
    graph = draw_graph(settings, seed=seed)
    tokens = draw_tokens(settings, seed=seed)
    rng = np.random.default_rng([seed, 2])
    known, unseen = np.flatnonzero(~graph.ood), np.flatnonzero(graph.ood)
    trained, test_id = in_distribution(settings, graph, rng, seed=seed)
    test_ood = _out_of_distribution(settings, Paths(graph, unseen, settings.hops), rng, seed)
    atomic = render(graph, tokens, np.arange(len(graph.head), dtype=np.int64)[:, None])
    inferred = [render(graph, tokens, paths) for paths in (trained, test_id, test_ood)]
    chance, majority = guessing_of(inferred)
    memory = [some(rng, _at(atomic, places), settings.probes) for places in (known, unseen)]
    return TaskData(
        splits={
            "train": joined(rng, atomic, inferred[0]),
            "test_id": inferred[1],
            "test_ood": inferred[2],
            "atomic_id": memory[0],
            "atomic_ood": memory[1],
        },
        token_names=token_names(settings),
        n_classes=n_classes(settings),
        read_at=read_at(settings),
        chance=chance,
        majority=majority,
    )


def positions(settings: GraphSettings) -> tuple[str, ...]:
    """What stands at each position of a composed fact."""
    return roles(settings)


def sizes(settings: GraphSettings) -> TaskSizes:
    """What `build` will deliver; the graph decides how many inferred facts there are to test."""
    held_out = round(expected_held_out(settings))
    test = at_most(settings.probes, held_out, round(expected_inferred(settings, ood=True)))
    known = n_atomic(settings) - n_ood(settings)
    answers = settings.n_entities if settings.tokens_per_entity == 1 else settings.n_names
    train = n_train(settings) + expected_augmentation(settings)
    return TaskSizes(
        examples=train + test,
        train=train,
        test=test,
        vocabulary=vocabulary(settings),
        length=length(settings),
        n_classes=n_classes(settings),
        n_read=len(read_at(settings)),
        chance=1 / answers,
        probes=at_most(settings.probes, known, n_ood(settings)),
        largest_phi=largest_phi(settings),
    )


def in_distribution(
    settings: GraphSettings, graph: Graph, rng: np.random.Generator, *, seed: int
) -> tuple[Int64[np.ndarray, "N K"], Int64[np.ndarray, "M K"]]:
    """Paths to train on, those of augmentation last, and others to test on."""
    paths = Paths(graph, np.flatnonzero(~graph.ood), settings.hops)
    wanted, held_out = n_train_inferred(settings), round(settings.holdout_share * len(paths))
    if wanted > len(paths) - held_out or not held_out:
        reachable = (len(paths) - held_out) / (n_atomic(settings) - n_ood(settings))
        raise DrawError(
            f"phi must be at most {reachable:.2f} in the graph that seed {seed} draws, got "
            f"{settings.phi:g}; lower phi, raise out_degree or take another seed"
        )
    n_test = min(settings.probes, held_out)
    drawn = distinct(rng, len(paths), n_test + wanted)
    trained, test_id = paths.at(drawn[n_test:]), paths.at(drawn[:n_test])
    if settings.hops == 2:
        trained = np.concatenate([trained, augmentation(settings, graph, seed=seed)])
    return trained, test_id


def _out_of_distribution(
    settings: GraphSettings, paths: Paths, rng: np.random.Generator, seed: int
) -> Int64[np.ndarray, "M K"]:
    if not len(paths):
        raise DrawError(
            f"ood_share {settings.ood_share:g} leaves no inferred fact out of distribution in the "
            f"graph that seed {seed} draws; raise ood_share or take another seed"
        )
    return paths.at(distinct(rng, len(paths), min(settings.probes, len(paths))))


def render(graph: Graph, tokens: Tokens, paths: Int64[np.ndarray, "N K"]) -> Split:
    """Rows of paths through the graph, one fact or `hops` of them long."""
    return tokens.render(graph.head[paths[:, 0]], graph.relation[paths], graph.tail[paths[:, -1]])


def _at(rows: Split, places: Places) -> Split:
    return Split(rows.tokens[places], rows.targets[places])


def guessing_of(inferred: list[Split]) -> tuple[float, float]:
    """Chance and majority of inferred answers; with two tokens, the mean of both names."""
    targets = np.concatenate([rows.targets for rows in inferred])
    asked = [column[column != IGNORED] for column in targets.T if (column != IGNORED).any()]
    each = [guessing(column) for column in asked]
    return float(np.mean([chance for chance, _ in each])), float(
        np.mean([majority for _, majority in each])
    )
