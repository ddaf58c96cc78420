"""What the augmented regimes add to training, against an oracle that walks the graph."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from data import CompositionSettings, build_task, task_sizes
from tests.data.composition.oracle import composed, questions

SMALL: dict[str, Any] = {
    "n_entities": 60,
    "n_relations": 12,
    "out_degree": 8,
    "ood_share": 0.15,
    "holdout_share": 0.05,
    "phi": 2,
}
REGIMES: list[dict[str, Any]] = [
    {"hop1_augmentation": 1.0, "hop2_augmentation": 1.0},
    {"hop1_augmentation": 0.5, "hop1_k": 3, "hop2_augmentation": 0.5, "hop2_k": 2},
    {"hop1_augmentation": 1.0, "hop1_k": 4},
    {"hop2_augmentation": 1.0, "hop2_k": 5},
]
every = pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: "|".join(regime))


@every
def test_each_chosen_fact_is_joined_by_its_number_of_others(regime: dict[str, Any]):
    settings = CompositionSettings.model_validate(SMALL | regime)
    task = build_task(settings, seed=0)
    splits = {name: questions(task, split) for name, split in task.splits.items()}
    known, unseen = splits["atomic_id"], splits["atomic_ood"]
    everything = known | unseen
    natural = composed(known, 2)
    added = {
        question: answer
        for question, answer in splits["train"].items()
        if len(question) == 3 and question not in natural
    }
    assert composed(everything, 2).items() >= added.items()
    assert not added.keys() & splits["test_ood"].keys()

    parts = [((h, r1), (everything[h, r1], r2)) for h, r1, r2 in added]
    assert all((one in unseen) != (other in unseen) for one, other in parts)
    onward = Counter(one for one, _ in parts if one in unseen)
    inward = Counter(other for _, other in parts if other in unseen)

    used_first = {(h, r1) for h, r1, _ in splits["test_ood"]}
    used_second = {(everything[h, r1], r2) for h, r1, r2 in splits["test_ood"]}
    continuing = Counter(head for head, _ in known)
    reaching = Counter(known.values())
    for found, used, share, k, others in [
        (
            onward,
            used_first,
            settings.hop1_augmentation,
            settings.hop1_k,
            {fact: continuing[everything[fact]] for fact in used_first},
        ),
        (
            inward,
            used_second,
            settings.hop2_augmentation,
            settings.hop2_k,
            {fact: reaching[fact[0]] for fact in used_second},
        ),
    ]:
        assert found.keys() <= used
        assert all(n == min(k, others[fact]) for fact, n in found.items())
        without_partner = sum(not n for n in others.values())
        chosen = round(share * len(used))
        assert chosen - without_partner <= len(found) <= chosen


@every
def test_the_graph_and_what_is_held_out_stay_the_same(regime: dict[str, Any]):
    natural, augmented = (
        build_task(CompositionSettings.model_validate(SMALL | changes), seed=1)
        for changes in ({}, regime)
    )
    for name in ("test_id", "test_ood", "atomic_id", "atomic_ood"):
        assert np.array_equal(natural.splits[name].tokens, augmented.splits[name].tokens)
    assert len(augmented.splits["train"]) > len(natural.splits["train"])


@pytest.mark.parametrize(
    ("regime", "published"),
    [
        ({"hop1_augmentation": 1.0, "hop2_augmentation": 1.0}, 44_189),
        (
            {"hop1_augmentation": 0.5, "hop1_k": 9, "hop2_augmentation": 0.5, "hop2_k": 9},
            11_502,
        ),
    ],
)
def test_the_published_regimes_add_the_published_number_of_rows(
    regime: dict[str, Any], published: int
):
    settings = CompositionSettings.model_validate({"phi": 18, **regime})
    assert task_sizes(settings).train - 724_000 == pytest.approx(published, rel=0.01)
    built = len(build_task(settings, seed=0).splits["train"]) - 724_000
    assert built == pytest.approx(published, rel=0.05)


def test_more_hops_than_two_are_not_augmented():
    with pytest.raises(ValueError, match=r"must be 0 unless hops is 2, got 0.5 and 0 with hops 3"):
        CompositionSettings(hops=3, hop1_augmentation=0.5)
