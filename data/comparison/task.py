"""How values of attributes become training and held-out comparisons.

With `e4` having `v7` and `e9` having `v3` of attribute `a2`, rows and answers are

    e a PAD PAD PAD        read at 1    e4 a2 PAD PAD PAD     → v7
    a q e1 mask e2         read at 4    a2 q e4 mask e9       → a2>

Splits: `train` holds every atomic fact and, for each atomic fact in distribution, phi comparisons
of entities in distribution; `test_id` comparisons of such pairs that are trained on in neither
order; `test_ood` comparisons of entities whose values were trained on but never compared;
`atomic_id` and `atomic_ood` probe the memory of values, all of them trained on. Comparisons of a
mixed pair are not used.

`chance` is 1/3, a uniform guess among the labels of the attribute that is asked about; `majority`
always gives the most frequent comparison, (1 − 1/n_values) / 2, where published curves start.
The published format ends an answer with a token of its own, which is not asked for here.
Source: Wang et al. 2024 (arXiv 2405.15071), section 4.
"""

import numpy as np
from jaxtyping import Int64

from data.comparison.knowledge import (
    Items,
    Knowledge,
    draw_items,
    draw_knowledge,
    items_at,
    n_items,
)
from data.comparison.settings import (
    ComparisonSettings,
    expected_held_out,
    largest_phi,
    n_atomic_id,
    n_compared_ood,
    n_ood,
    n_train,
    n_train_inferred,
)
from data.comparison.vocabulary import Vocabulary
from data.errors import DrawError
from data.guessing import guessing
from data.sampling import distinct
from data.splits import at_most, joined, some
from data.task import IGNORED, Split, TaskData, TaskSizes

READ_AT = (1, 4)


def build(settings: ComparisonSettings, *, seed: int) -> TaskData:
    """Draws values and comparisons of the seed; every split is in random order.

    Raises:
        DrawError: if the draw leaves too few comparisons for phi, or holds none out.
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
    trained, test_id = _in_distribution(settings, knowledge, rng, seed=seed)
    n_unseen = n_items(knowledge.unseen)
    drawn = distinct(rng, n_unseen, min(settings.probes, n_unseen))
    test_ood = items_at(knowledge.unseen, drawn)
    atomic = [_atomic(vocabulary, knowledge, part) for part in (knowledge.known, knowledge.unseen)]
    inferred = [_inferred(vocabulary, knowledge, part) for part in (trained, test_id, test_ood)]
    chance, majority = guessing(knowledge.comparison(np.concatenate([trained, test_id, test_ood])))
    return TaskData(
        splits={
            "train": joined(rng, *atomic, inferred[0]),
            "test_id": inferred[1],
            "test_ood": inferred[2],
            "atomic_id": some(rng, atomic[0], settings.probes),
            "atomic_ood": some(rng, atomic[1], settings.probes),
        },
        token_names=vocabulary.names(),
        n_classes=vocabulary.n_classes,
        read_at=READ_AT,
        chance=chance,
        majority=majority,
    )


def positions(_: ComparisonSettings) -> tuple[str, ...]:
    """What stands at each position of a comparison."""
    return "a", "q", "e1", "mask", "e2"


def sizes(settings: ComparisonSettings) -> TaskSizes:
    """What `build` will deliver; chance decides how many pairs there are to test."""
    held_out = round(expected_held_out(settings))
    test = at_most(settings.probes, held_out, n_compared_ood(settings))
    unseen = settings.n_attributes * n_ood(settings)
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
        probes=at_most(settings.probes, n_atomic_id(settings), unseen),
        largest_phi=largest_phi(settings),
    )


def _in_distribution(
    settings: ComparisonSettings, knowledge: Knowledge, rng: np.random.Generator, *, seed: int
) -> tuple[Int64[np.ndarray, "N 3"], Int64[np.ndarray, "M 3"]]:
    """Comparisons to train on, and others to test on."""
    wanted, share = n_train_inferred(settings), settings.holdout_share
    trained = draw_items(knowledge, rng, size=wanted, held_out=False, share=share)
    test_id = draw_items(knowledge, rng, size=settings.probes, held_out=True, share=share)
    if len(trained) < wanted or not len(test_id):
        reachable = len(trained) / n_atomic_id(settings)
        raise DrawError(
            f"phi must be at most {reachable:.2f} with what seed {seed} holds out, got "
            f"{settings.phi:g}; lower phi, raise n_entities or take another seed"
        )
    return trained, test_id


def _vocabulary(settings: ComparisonSettings) -> Vocabulary:
    return Vocabulary(
        n_entities=settings.n_entities,
        n_attributes=settings.n_attributes,
        n_values=settings.n_values,
        labels=settings.labels,
        symbols=("q", "mask", "PAD"),
    )


def _atomic(
    vocabulary: Vocabulary, knowledge: Knowledge, entities: Int64[np.ndarray, "A D"]
) -> Split:
    """A row for each entity of each attribute."""
    attribute = np.repeat(np.arange(len(entities), dtype=np.int64), entities.shape[1])
    entity = entities.reshape(-1)
    answer = knowledge.values[entity, attribute]
    asked = (vocabulary.entity(entity), vocabulary.attribute(attribute), "PAD", "PAD", "PAD")
    tokens = vocabulary.row(asked, n=len(entity))
    return Split(tokens, np.stack([answer, np.full_like(answer, IGNORED)], axis=1))


def _inferred(vocabulary: Vocabulary, knowledge: Knowledge, items: Items) -> Split:
    """A row for each comparison."""
    attribute, first, second = items.T
    answer = vocabulary.label(attribute, knowledge.comparison(items))
    asked = (
        vocabulary.attribute(attribute),
        "q",
        vocabulary.entity(first),
        "mask",
        vocabulary.entity(second),
    )
    tokens = vocabulary.row(asked, n=len(items))
    return Split(tokens, np.stack([np.full_like(answer, IGNORED), answer], axis=1))
