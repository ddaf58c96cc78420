"""What hard and easy queries deliver, against an oracle that searches step by step."""

from typing import Any

import numpy as np
import pytest

from data import SearchSettings, build_task, task_sizes
from data.errors import DrawError
from tests.data.comparison.oracle import Item, comparisons, facts, sign
from tests.data.contract import rows_by_use

SMALL: dict[str, Any] = {
    "n_entities": 40,
    "n_attributes": 4,
    "n_values": 5,
    "ood_share": 0.3,
    "shown_share": 0.1,
    "hard_per_label": 6,
}
VARIANTS: list[dict[str, Any]] = [
    SMALL,
    SMALL | {"labels": "shared", "n_values": 8, "n_attributes": 8, "hard_per_label": 4},
    SMALL | {"shown_share": 0.05, "n_entities": 60, "hard_per_label": 10},
]
CASES = [SearchSettings.model_validate(changes) for changes in VARIANTS]
every = pytest.mark.parametrize(
    "settings", CASES, ids=lambda s: f"{s.labels}|{s.n_values}|{s.shown_share}"
)
Steps = dict[tuple[str, str], set[str]]


def steps(told: dict[Item, str]) -> Steps:
    """For each attribute and entity: the entities that are said to have no more."""
    found: Steps = {}
    for (attribute, first, second), label in told.items():
        if label[-1] in "=>":
            found.setdefault((attribute, first), set()).add(second)
        if label[-1] in "=<":
            found.setdefault((attribute, second), set()).add(first)
    return found


def leads(found: Steps, attribute: str, start: str, end: str) -> bool:
    """Whether a chain of steps leads from one entity to another."""
    seen, open_ends = {start}, [start]
    while open_ends:
        for following in found.get((attribute, open_ends.pop()), set()) - seen:
            seen.add(following)
            open_ends.append(following)
    return end in seen


def derived(found: Steps, item: Item) -> str | None:
    """The comparison that chains prove, None where they prove none."""
    attribute, first, second = item
    down, up = leads(found, attribute, first, second), leads(found, attribute, second, first)
    return {(True, True): "=", (True, False): ">", (False, True): "<"}.get((down, up))


def shown(settings: SearchSettings, seed: int = 0) -> tuple[Any, dict[Any, int], dict[Item, str]]:
    """The task, the values that are trained on and the comparisons that are."""
    task = build_task(settings, seed=seed)
    train = task.splits["train"]
    return task, facts(task, train), comparisons(task, train)


@every
def test_hard_and_easy_queries_are_those_that_a_search_finds(settings: SearchSettings):
    task, values, told = shown(settings)
    unseen = facts(task, task.splits["test_value"])
    chains = steps(told)
    known_pairs = {
        (a, e, f): sign(values[e, a], values[f, a])
        for e, a in values
        for f, b in values
        if a == b and e != f
    }
    everything = steps(told | known_pairs)
    queries = [(a, e, f) for e, a in unseen for f, b in unseen if a == b and e != f]
    easy = {q: label for q in queries if (label := derived(chains, q))}
    hard = {q: label for q in queries if q not in easy and (label := derived(everything, q))}
    assert {
        q: label[-1] for q, label in comparisons(task, task.splits["test_easy"]).items()
    } == easy
    given = {q: label[-1] for q, label in comparisons(task, task.splits["test_ood"]).items()}
    assert hard.items() >= given.items()
    assert [list(given.values()).count(label) for label in "<=>"] == [settings.hard_per_label] * 3
    fewest = min(list(hard.values()).count(label) for label in "<=>")
    task = build_task(settings.model_copy(update={"hard_per_label": fewest}), seed=0)
    assert len(task.splits["test_ood"]) == 3 * fewest
    sentence = (
        f"hard_per_label must be at most {fewest} in what seed 0 draws, .* got {fewest + 1};"
    )
    with pytest.raises(DrawError, match=sentence):
        build_task(settings.model_copy(update={"hard_per_label": fewest + 1}), seed=0)


@every
def test_every_label_follows_from_the_values(settings: SearchSettings):
    task, values, _ = shown(settings)
    hidden = facts(task, task.splits["test_value"])
    assert not values.keys() & hidden.keys()
    everything = values | hidden
    assert len(everything) == settings.n_entities * settings.n_attributes
    for split in task.splits.values():
        for (attribute, first, second), label in comparisons(task, split).items():
            owner = attribute if settings.labels == "attribute" else ""
            expected = sign(everything[first, attribute], everything[second, attribute])
            assert label == owner + expected


@every
def test_training_compares_no_two_unknown_entities(settings: SearchSettings):
    _, values, told = shown(settings)
    kinds = [((e, a) in values) + ((f, a) in values) for a, e, f in told]
    assert min(kinds) == 1
    n = settings.n_entities - round(settings.ood_share * settings.n_entities)
    known = settings.n_attributes * n * (n - 1) * (1 - settings.holdout_share)
    mixed = 2 * settings.n_attributes * n * (settings.n_entities - n)
    assert kinds.count(2) == round(settings.shown_share * known)
    assert kinds.count(1) == round(settings.shown_share * mixed)


@every
def test_no_pair_is_trained_on_and_tested_in_either_order(settings: SearchSettings):
    task, _, told = shown(settings)
    for name in ("test_id", "test_ood", "test_easy"):
        for attribute, first, second in comparisons(task, task.splits[name]):
            assert (attribute, first, second) not in told
            assert (attribute, second, first) not in told


@every
def test_the_same_seed_gives_the_same_arrays_and_another_other_values(settings: SearchSettings):
    first, again, other = (build_task(settings, seed=seed) for seed in (3, 3, 4))
    for name, split in first.splits.items():
        assert np.array_equal(split.tokens, again.splits[name].tokens)
        assert np.array_equal(split.targets, again.splits[name].targets)
    assert facts(first, first.splits["train"]) != facts(other, other.splits["train"])


@every
def test_what_sizes_say_of_rows_and_answers_is_exact(settings: SearchSettings):
    task, sizes = build_task(settings, seed=0), task_sizes(settings)
    rows = rows_by_use(task)
    assert (sizes.train, sizes.probes) == (rows["train"], rows["probes"])
    assert (sizes.vocabulary, sizes.length) == (task.vocab_size, task.length)
    assert (sizes.n_classes, sizes.n_read) == (task.n_classes, len(task.read_at))
    assert sizes.chance == task.chance == 1 / 3
    assert len(set(task.token_names)) == task.vocab_size


@every
def test_majority_is_the_accuracy_of_the_commonest_comparison(settings: SearchSettings):
    task = build_task(settings, seed=0)
    signs = [
        label[-1] for split in task.splits.values() for label in comparisons(task, split).values()
    ]
    assert task.majority == pytest.approx(max(map(signs.count, "<=>")) / len(signs))


def test_the_published_settings_give_the_published_counts():
    task = build_task(SearchSettings(hard_per_label=50), seed=0)
    assert {name: len(split) for name, split in task.splits.items()} == {
        "train": pytest.approx(18_000 + 437_000 + 108_000, rel=0.001),
        "test_id": 3000,
        "test_ood": 150,
        "test_easy": 3000,
        "atomic_id": 3000,
        "test_value": 2000,
    }
    assert (task.splits["train"].targets[:, 0] >= 0).sum() == 18_000


def test_a_draw_without_hard_queries_names_the_way_out():
    dense = SearchSettings(n_entities=200, n_attributes=1, n_values=2, shown_share=0.5)
    with pytest.raises(DrawError, match=r"seed 0 draws no hard query .* lower shown_share \(now"):
        build_task(dense, seed=0)
    sparse = SearchSettings(n_entities=40, n_attributes=4, shown_share=0.001)
    with pytest.raises(DrawError, match=r"raise shown_share \(now 0.001\), raise n_attributes"):
        build_task(sparse, seed=0)


def test_no_more_queries_are_told_than_there_are_comparisons_of_unknown_entities():
    settings = SearchSettings(n_entities=100, n_attributes=4, hard_per_label=10_000)
    assert task_sizes(settings).test == 3000 + 4 * 10 * 9 + 4 * 10


def test_the_default_can_be_had_with_any_of_ten_seeds():
    for seed in range(10):
        task = build_task(SearchSettings(), seed=seed)
        assert len(task.splits["test_ood"]) == 3 * SearchSettings().hard_per_label


def test_a_row_is_read_where_the_question_ends():
    task = build_task(CASES[0], seed=0)
    assert task.read_at == (4, 5)
    for split, place in [("atomic_id", 4), ("test_ood", 5)]:
        assert task.token_names[task.splits[split].tokens[0, place]] == "/q"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_entities": 40, "ood_share": 0.05, "n_attributes": 2}, r"ood_share .* \(4 compar"),
        ({"n_entities": 20, "n_attributes": 10, "holdout_share": 0.001}, r"holdout_share .*3.1\)"),
        ({"n_entities": 2000, "shown_share": 0.5}, r"at most 10,000,000 training rows, got 0.5"),
    ],
)
def test_a_mistake_is_named_with_its_rule_and_the_way_out(changes: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        SearchSettings.model_validate(changes)
