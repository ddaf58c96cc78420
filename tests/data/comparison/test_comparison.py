"""What comparisons deliver, against an oracle that looks every value up."""

import tracemalloc
from time import process_time
from typing import Any

import numpy as np
import pytest

from data import ComparisonSettings, build_task, task_sizes
from data.comparison.knowledge import draw_knowledge, items_at, n_items
from data.comparison.settings import largest_phi
from data.errors import DrawError
from tests.data.comparison.oracle import comparisons, facts, sign
from tests.data.contract import rows_by_use

SMALL: dict[str, Any] = {
    "n_entities": 30,
    "n_attributes": 3,
    "n_values": 5,
    "ood_share": 0.2,
    "phi": 9,
}
VARIANTS: list[dict[str, Any]] = [
    SMALL,
    SMALL | {"labels": "shared"},
    SMALL | {"n_attributes": 1, "holdout_share": 0.4, "phi": 3, "ood_share": 0.3},
]
CASES = [ComparisonSettings.model_validate(changes) for changes in VARIANTS]
every = pytest.mark.parametrize("settings", CASES, ids=lambda s: f"{s.labels}|{s.n_attributes}")


@every
def test_every_label_follows_from_the_values_that_are_shown(settings: ComparisonSettings):
    task = build_task(settings, seed=0)
    values = facts(task, task.splits["train"])
    assert len(values) == settings.n_entities * settings.n_attributes
    for split in task.splits.values():
        for (attribute, first, second), label in comparisons(task, split).items():
            owner = attribute if settings.labels == "attribute" else ""
            expected = sign(values[first, attribute], values[second, attribute])
            assert label == owner + expected


@every
def test_comparisons_join_entities_of_one_kind(settings: ComparisonSettings):
    task = build_task(settings, seed=0)
    known, unseen = (facts(task, task.splits[name]) for name in ("atomic_id", "atomic_ood"))
    assert known | unseen == facts(task, task.splits["train"])
    assert len(unseen) == round(settings.ood_share * settings.n_entities) * settings.n_attributes
    for name, allowed in [("train", known), ("test_id", known), ("test_ood", unseen)]:
        for attribute, first, second in comparisons(task, task.splits[name]):
            assert first != second
            assert (first, attribute) in allowed
            assert (second, attribute) in allowed


@every
def test_all_comparisons_out_of_distribution_are_asked(settings: ComparisonSettings):
    task = build_task(settings, seed=0)
    unseen = facts(task, task.splits["atomic_ood"])
    expected = {(a, e, f) for e, a in unseen for f, b in unseen if a == b and e != f}
    assert comparisons(task, task.splits["test_ood"]).keys() == expected


@every
def test_no_pair_is_trained_on_and_tested_in_either_order(settings: ComparisonSettings):
    task = build_task(settings, seed=0)
    trained = comparisons(task, task.splits["train"]).keys()
    tested = comparisons(task, task.splits["test_id"]).keys()
    assert not {(a, e, f) for a, e, f in tested if (a, e, f) in trained or (a, f, e) in trained}
    assert all((a, f, e) in tested for a, e, f in tested)
    assert any((a, f, e) in trained for a, e, f in trained)


def test_the_share_that_is_held_out_is_the_one_asked_for_whatever_the_attribute():
    knowledge = draw_knowledge(n_entities=300, n_attributes=4, n_values=5, n_ood=30, seed=0)
    items = items_at(knowledge.known, np.arange(n_items(knowledge.known)))
    held = knowledge.held_out(items, share=0.1).reshape(4, -1)
    assert held.mean(axis=1) == pytest.approx(0.1, abs=0.008)
    assert np.array_equal(
        knowledge.held_out(items, share=0.1), knowledge.held_out(items[:, [0, 2, 1]], share=0.1)
    )
    assert (held[0] & held[1]).mean() == pytest.approx(0.01, abs=0.004)


def test_items_are_numbered_without_gaps_or_repeats():
    knowledge = draw_knowledge(n_entities=20, n_attributes=3, n_values=5, n_ood=4, seed=0)
    items = items_at(knowledge.known, np.arange(n_items(knowledge.known))).tolist()
    assert {tuple(item) for item in items} == {
        (a, e, f)
        for a, entities in enumerate(knowledge.known.tolist())
        for e in entities
        for f in entities
        if e != f
    }
    assert len(items) == 3 * 16 * 15


@every
def test_the_same_seed_gives_the_same_arrays_and_another_other_values(
    settings: ComparisonSettings,
):
    first, again, other = (build_task(settings, seed=seed) for seed in (3, 3, 4))
    for name, split in first.splits.items():
        assert np.array_equal(split.tokens, again.splits[name].tokens)
        assert np.array_equal(split.targets, again.splits[name].targets)
    assert facts(first, first.splits["train"]) != facts(other, other.splits["train"])


@every
def test_sizes_are_known_without_building(settings: ComparisonSettings):
    task, sizes = build_task(settings, seed=0), task_sizes(settings)
    rows = rows_by_use(task)
    assert (sizes.train, sizes.probes) == (rows["train"], rows["probes"])
    assert sizes.test == pytest.approx(rows["test"], rel=0.2)
    assert (sizes.vocabulary, sizes.length) == (task.vocab_size, task.length)
    assert (sizes.n_classes, sizes.n_read) == (task.n_classes, len(task.read_at))
    assert sizes.chance == task.chance == 1 / 3
    assert len(set(task.token_names)) == task.vocab_size


@every
def test_majority_is_the_accuracy_of_the_commonest_comparison(settings: ComparisonSettings):
    task = build_task(settings, seed=0)
    signs = [
        label[-1] for split in task.splits.values() for label in comparisons(task, split).values()
    ]
    assert task.majority == pytest.approx(max(map(signs.count, "<=>")) / len(signs))


def test_the_published_settings_give_the_published_counts():
    task = build_task(ComparisonSettings(), seed=0)
    assert {name: len(split) for name, split in task.splits.items()} == {
        "train": 20_000 + 226_800,
        "test_id": 3000,
        "test_ood": 3000,
        "atomic_id": 3000,
        "atomic_ood": 2000,
    }
    assert task.vocab_size == 1000 + 20 + 20 + 60 + 3
    assert task.majority == pytest.approx(0.475, abs=0.003)


def test_the_published_task_is_built_in_two_seconds():
    started = process_time()
    build_task(ComparisonSettings(), seed=0)
    assert process_time() - started < 2


def test_no_more_is_held_in_memory_than_is_drawn():
    tracemalloc.start()
    build_task(ComparisonSettings(), seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000


def test_the_largest_phi_can_be_drawn_with_every_seed():
    for changes in VARIANTS:
        largest = largest_phi(ComparisonSettings.model_validate(changes))
        settings = ComparisonSettings.model_validate(changes | {"phi": largest})
        for seed in range(60):
            build_task(settings, seed=seed)


def test_a_draw_that_cannot_give_phi_is_named_with_its_seed():
    settings = ComparisonSettings.model_validate(SMALL).model_copy(update={"phi": 23.0})
    with pytest.raises(DrawError, match=r"phi must be at most .* seed 7 holds out, got 23; "):
        build_task(settings, seed=7)


def test_a_row_reads_attribute_first_second_label():
    task = build_task(CASES[0], seed=0)
    row = [task.token_names[token] for token in task.splits["test_id"].tokens[0]]
    assert [row[1], row[3]] == ["q", "mask"]
    assert [row[place][0] for place in (0, 2, 4)] == ["a", "e", "e"]
    assert task.read_at == (1, 4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"n_entities": 100, "phi": 90},
            r"phi must be at most 79.53 with 100 entities, got 90; lower phi",
        ),
        ({"phi": 900}, r"\(16,220,000 rows\); lower phi to at most 554.44, or"),
        ({"phi": 700}, r"at most 10,000,000 training rows, got 700 \(12,620,000 rows\); lower"),
        ({"n_entities": 40, "ood_share": 0.05, "n_attributes": 2}, r"ood_share .* \(4 compar"),
        (
            {"n_entities": 20, "ood_share": 0.3, "n_attributes": 1, "holdout_share": 0.01},
            r"holdout_share must keep at least 20 .* got 0.01 \(about 1.8\); give",
        ),
    ],
)
def test_a_mistake_is_named_with_its_rule_and_the_way_out(changes: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        ComparisonSettings.model_validate(changes)
