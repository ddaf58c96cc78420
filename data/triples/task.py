"""How an uploaded graph becomes training and held-out examples, as in the composition task.

The answers, entities that are the tail of some fact, are the first tokens. The lines
`Paris,in,France` and `France,in,Europe` give three rows, read at the positions 1 and 2:

    Paris in PAD   with the targets  [France, IGNORED]
    France in PAD                    [Europe, IGNORED]
    Paris in in                      [IGNORED, Europe]

Splits: `train` holds every fact and inferred facts in distribution; `test_id` others of those
that are never trained on; `test_ood` inferred facts whose two facts are both out of distribution,
each trained on but composed with nothing; `atomic_id` and `atomic_ood` probe the memory of facts,
all of them trained on. Inferred facts of mixed parts are not used.

Source: Wang et al. 2024 (arXiv 2405.15071), section 3.1.
"""

from dataclasses import dataclass
from math import floor

import numpy as np
from jaxtyping import Int64

from data.bounds import least, most, way_out
from data.errors import SettingsError
from data.guessing import majority_of
from data.splits import at_most
from data.task import IGNORED, Split, TaskData, TaskSizes
from data.triples.graph import Graph, read_graph
from data.triples.hops import Facts, Hops
from data.triples.settings import TriplesSettings

MOST_INFERRED = 5_000_000
"""Inferred facts beyond which a task is refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rows the inferred splits have."""

    train: int
    test_id: int
    test_ood: int
    largest_phi: float
    """The most inferred facts for each atomic one in distribution, rounded down."""


def build(settings: TriplesSettings, *, seed: int) -> TaskData:
    """The uploaded facts and what follows from them; `seed` draws rows and their order.

    Which facts are out of distribution does not depend on `seed`. Chance is a uniform guess over
    all tails, majority is taken over inferred answers.

    Raises:
        UploadRefused: the upload is not kept here, was changed, or cannot be used.
        SettingsError: the graph offers too few or too many inferred facts.
    """
    graph, plan = _planned(settings)
    rng = np.random.default_rng([seed, 0])
    known = _drawn(graph.id_hops, plan.test_id + plan.train, rng)
    inferred = {"test_id": _inferred(known[: plan.test_id])}
    if plan.test_ood:
        inferred["test_ood"] = _inferred(_drawn(graph.ood_hops, plan.test_ood, rng))
    trained = _inferred(known[plan.test_id :])
    pad = len(graph.token_names) - 1
    atomic = {"atomic_id": _atomic(graph.id, pad), "atomic_ood": _atomic(graph.ood, pad)}
    return TaskData(
        splits={
            "train": _shuffled([*atomic.values(), trained], rng),
            **inferred,
            **{
                name: _shuffled([facts], rng, most=settings.probes)
                for name, facts in atomic.items()
                if len(facts)
            },
        },
        token_names=graph.token_names,
        n_classes=graph.n_tails,
        read_at=(1, 2),
        chance=1.0 / graph.n_tails,
        majority=majority_of({"train": trained, **inferred}),
    )


def positions(_: TriplesSettings) -> tuple[str, ...]:
    """What stands at each position of an inferred fact."""
    return "h", "r1", "r2"


def sizes(settings: TriplesSettings) -> TaskSizes:
    """What `build` will deliver; the upload is read once, which takes seconds for a large one.

    Raises:
        UploadRefused: the upload is not kept here, was changed, or cannot be used.
        SettingsError: the graph offers too few or too many inferred facts.
    """
    graph, plan = _planned(settings)
    train = len(graph.id) + len(graph.ood) + plan.train
    test = plan.test_id + plan.test_ood
    return TaskSizes(
        examples=train + test,
        train=train,
        test=test,
        vocabulary=len(graph.token_names),
        length=3,
        n_classes=graph.n_tails,
        n_read=2,
        chance=1.0 / graph.n_tails,
        probes=at_most(settings.probes, len(graph.id), len(graph.ood)),
        largest_phi=plan.largest_phi,
    )


def _planned(settings: TriplesSettings) -> tuple[Graph, Plan]:
    graph = read_graph(settings.sha256, header=settings.header, ood_share=settings.ood_share)
    exist, n_known = len(graph.id_hops), len(graph.id)
    if exist < 2:
        share = most(
            settings, "ood_share", lambda other: graph.n_inferred(other.ood_share)[0] >= 2
        )
        raise SettingsError(
            f"ood_share must leave at least two inferred facts in distribution, got "
            f"{settings.ood_share:g}, which leaves {exist}; "
            f"{way_out('most', share, 'upload more facts')}"
        )
    if settings.ood_share and not len(graph.ood_hops):
        share = least(
            settings, "ood_share", lambda other: graph.n_inferred(other.ood_share)[1] > 0
        )
        raise SettingsError(
            f"ood_share must leave an inferred fact out of distribution, got "
            f"{settings.ood_share:g}, which leaves {len(graph.ood):,} facts that do not lead on "
            f"to each other; {way_out('least', share, 'give 0 to do without')}"
        )
    held_out = max(1, round(settings.holdout_share * exist))
    train = exist - held_out if settings.phi is None else round(settings.phi * n_known)
    largest = floor(100 * min(exist - held_out, MOST_INFERRED) / n_known) / 100
    if train > exist - held_out:
        raise SettingsError(
            f"phi must be at most {largest:g} in this upload, whose "
            f"{n_known:,} facts in distribution give {exist:,} inferred ones, got "
            f"{settings.phi:g}; lower phi or holdout_share"
        )
    if train > MOST_INFERRED:
        raise SettingsError(
            f"phi must be at most {largest:g} in this upload, so that no more "
            f"than {MOST_INFERRED:,} inferred facts are trained on, got "
            f"{'none' if settings.phi is None else f'{settings.phi:g}'}, which gives {train:,}; "
            "give that or less"
        )
    return graph, Plan(
        train=train,
        test_id=min(settings.probes, held_out),
        test_ood=min(settings.probes, len(graph.ood_hops)),
        largest_phi=largest,
    )


def _drawn(hops: Hops, n: int, rng: np.random.Generator) -> Int64[np.ndarray, "N 4"]:
    """`n` different inferred facts in random order."""
    return hops.at(rng.choice(len(hops), size=n, replace=False))


def _inferred(facts: Int64[np.ndarray, "N 4"]) -> Split:
    targets = np.full((len(facts), 2), IGNORED, dtype=np.int64)
    targets[:, 1] = facts[:, 3]
    return Split(facts[:, :3], targets)


def _atomic(facts: Facts, pad: int) -> Split:
    tokens, targets = facts.copy(), np.full((len(facts), 2), IGNORED, dtype=np.int64)
    tokens[:, 2] = pad
    targets[:, 0] = facts[:, 2]
    return Split(tokens, targets)


def _shuffled(parts: list[Split], rng: np.random.Generator, *, most: int | None = None) -> Split:
    tokens = np.concatenate([part.tokens for part in parts])
    targets = np.concatenate([part.targets for part in parts])
    order = rng.permutation(len(tokens))[:most]
    return Split(tokens[order], targets[order])
