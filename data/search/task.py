"""How comparisons with known entities become questions about unknown ones.

With `e4` having `v7` and `e9` having `v3` of attribute `a2`, rows and answers are

    q e a mask /q PAD      read at 4    q e4 a2 mask /q PAD   → v7
    a q e1 mask e2 /q      read at 5    a2 q e4 mask e9 /q    → a2>

Splits: `train` holds the values of known entities, and a share of the comparisons of two known
entities and of a known with an unknown one; entities are known or unknown for each attribute
anew. Held out are

- `test_id`: comparisons of two known entities that are trained on in neither order;
- `test_ood`: hard queries, of two unknown entities, that follow from what is trained on but from
  no chain of comparisons: values of known entities have to be found (equally many of <, =, >);
- `test_easy`: queries of two unknown entities that follow from a chain of comparisons;
- `test_value`: values that are never shown.

`atomic_id` probes the memory of values that are.

`chance` is 1/3, a uniform guess among the labels of the attribute; `majority` always gives the
most frequent comparison. The published format reads an answer after a token `<a>` and ends it
with another; here it is read at `/q`, and its end is not asked for.
Source: Wang et al. 2024 (arXiv 2405.15071), section 5 and appendix F.
"""

import numpy as np
from jaxtyping import Int64

from data.comparison.knowledge import Items, Knowledge, draw_items, draw_knowledge, n_items
from data.comparison.vocabulary import Vocabulary
from data.errors import DrawError
from data.guessing import guessing
from data.sampling import distinct
from data.search.derivable import Queries, derive
from data.search.settings import (
    SearchSettings,
    expected_held_out,
    n_atomic_id,
    n_compared_ood,
    n_ood,
    n_train,
    n_trained_known,
    n_trained_mixed,
)
from data.splits import at_most, joined, some
from data.task import IGNORED, Split, TaskData, TaskSizes

READ_AT = (4, 5)


def build(settings: SearchSettings, *, seed: int) -> TaskData:
    """Draws values and comparisons of the seed; every split is in random order.

    Raises:
        DrawError: if too few comparisons are left to train on, or a label has too few hard
            queries.
    """
    knowledge = draw_knowledge(
        n_entities=settings.n_entities,
        n_attributes=settings.n_attributes,
        n_values=settings.n_values,
        n_ood=n_ood(settings),
        seed=seed,
    )
    rng = np.random.default_rng([seed, 1])
    vocabulary = _vocabulary(settings)
    trained, test_id = _trained(settings, knowledge, rng, seed=seed)
    queries = derive(knowledge, trained)
    hard = _balanced(settings, knowledge, queries, rng, seed=seed)
    easy = queries.easy[distinct(rng, len(queries.easy), min(settings.probes, len(queries.easy)))]
    known, unseen = (
        _atomic(vocabulary, knowledge, part) for part in (knowledge.known, knowledge.unseen)
    )
    asked = {"test_id": test_id, "test_ood": hard} | ({"test_easy": easy} if len(easy) else {})
    held_out = {name: _inferred(vocabulary, knowledge, items) for name, items in asked.items()}
    chance, majority = guessing(knowledge.comparison(np.concatenate([trained, *asked.values()])))
    return TaskData(
        splits={
            "train": joined(rng, known, _inferred(vocabulary, knowledge, trained)),
            **held_out,
            "test_value": some(rng, unseen, settings.probes),
            "atomic_id": some(rng, known, settings.probes),
        },
        token_names=vocabulary.names(),
        n_classes=vocabulary.n_classes,
        read_at=READ_AT,
        chance=chance,
        majority=majority,
    )


def positions(_: SearchSettings) -> tuple[str, ...]:
    """What stands at each position of a comparison."""
    return "a", "q", "e1", "mask", "e2", "/q"


def sizes(settings: SearchSettings) -> TaskSizes:
    """What `build` will deliver; of easy queries, which the draw decides, at most so many."""
    hidden, queries = settings.n_attributes * n_ood(settings), n_compared_ood(settings)
    hard = min(3 * settings.hard_per_label, queries)
    held_out = round(expected_held_out(settings))
    test = hard + at_most(settings.probes, held_out, queries - hard, hidden)
    vocabulary = _vocabulary(settings)
    return TaskSizes(
        examples=n_train(settings) + test,
        train=n_train(settings),
        test=test,
        vocabulary=vocabulary.size,
        length=READ_AT[-1] + 1,
        n_classes=vocabulary.n_classes,
        n_read=len(READ_AT),
        chance=1 / 3,
        probes=at_most(settings.probes, n_atomic_id(settings)),
    )


def _trained(
    settings: SearchSettings, knowledge: Knowledge, rng: np.random.Generator, *, seed: int
) -> tuple[Int64[np.ndarray, "N 3"], Int64[np.ndarray, "M 3"]]:
    """Comparisons to train on, and others of known entities to test on."""
    wanted, share = n_trained_known(settings), settings.holdout_share
    both = draw_items(knowledge, rng, size=wanted, held_out=False, share=share)
    test_id = draw_items(knowledge, rng, size=settings.probes, held_out=True, share=share)
    if len(both) < wanted or not len(test_id):
        raise DrawError(
            f"shown_share {settings.shown_share:g} asks for {wanted:,} comparisons of known "
            f"entities, but what seed {seed} holds out leaves {len(both):,}; "
            "lower shown_share or take another seed"
        )
    return np.concatenate([both, _mixed(settings, knowledge, rng)]), test_id


def _mixed(settings: SearchSettings, knowledge: Knowledge, rng: np.random.Generator) -> Items:
    """Comparisons of a known with an unknown entity, in either order."""
    n_known, n_unseen = knowledge.known.shape[1], knowledge.unseen.shape[1]
    total = 2 * settings.n_attributes * n_known * n_unseen
    numbers, swapped = np.divmod(distinct(rng, total, n_trained_mixed(settings)), 2)
    attribute, pair = np.divmod(numbers, n_known * n_unseen)
    known = knowledge.known[attribute, pair // n_unseen]
    unseen = knowledge.unseen[attribute, pair % n_unseen]
    first, second = np.where(swapped, [unseen, known], [known, unseen])
    return np.stack([attribute, first, second], axis=1)


def _balanced(
    settings: SearchSettings,
    knowledge: Knowledge,
    queries: Queries,
    rng: np.random.Generator,
    *,
    seed: int,
) -> Int64[np.ndarray, "M 3"]:
    """Equally many hard queries of each label, in random order."""
    comparison = knowledge.comparison(queries.hard)
    by_label = [np.flatnonzero(comparison == label) for label in range(3)]
    n, most = settings.hard_per_label, min(map(len, by_label))
    if not most:
        all_easy = 2 * len(queries.easy) > n_items(knowledge.unseen)
        raise DrawError(
            f"seed {seed} draws no hard query for one of <, = and >; "
            f"{'lower' if all_easy else 'raise'} shown_share (now {settings.shown_share:g}), "
            "raise n_attributes or take another seed"
        )
    if n > most:
        raise DrawError(
            f"hard_per_label must be at most {most:,} in what seed {seed} draws, the hard queries "
            f"of its rarest label, got {n:,}; lower it, raise n_attributes or take another seed"
        )
    chosen = np.concatenate([places[distinct(rng, len(places), n)] for places in by_label])
    return queries.hard[rng.permutation(chosen)]


def _vocabulary(settings: SearchSettings) -> Vocabulary:
    return Vocabulary(
        n_entities=settings.n_entities,
        n_attributes=settings.n_attributes,
        n_values=settings.n_values,
        labels=settings.labels,
        symbols=("q", "mask", "/q", "PAD"),
    )


def _atomic(
    vocabulary: Vocabulary, knowledge: Knowledge, entities: Int64[np.ndarray, "A D"]
) -> Split:
    """A row for each entity of each attribute."""
    attribute = np.repeat(np.arange(len(entities), dtype=np.int64), entities.shape[1])
    entity = entities.reshape(-1)
    answer = knowledge.values[entity, attribute]
    asked = ("q", vocabulary.entity(entity), vocabulary.attribute(attribute), "mask", "/q", "PAD")
    tokens = vocabulary.row(asked, n=len(entity))
    return Split(tokens, np.stack([answer, np.full_like(answer, IGNORED)], axis=1))


def _inferred(vocabulary: Vocabulary, knowledge: Knowledge, items: Items) -> Split:
    """A row for each comparison."""
    attribute, first, second = items.T
    answer = vocabulary.label(attribute, knowledge.comparison(items))
    one, other = vocabulary.entity(first), vocabulary.entity(second)
    asked = (vocabulary.attribute(attribute), "q", one, "mask", other, "/q")
    tokens = vocabulary.row(asked, n=len(items))
    return Split(tokens, np.stack([np.full_like(answer, IGNORED), answer], axis=1))
