"""What new facts on an old graph deliver, against an oracle that walks the graph."""

from typing import Any

import numpy as np
import pytest

from data import CompositionSettings, TransferSettings, build_task, task_sizes
from tests.data.composition.oracle import questions
from tests.data.contract import rows_by_use

GRAPH: dict[str, Any] = {
    "n_entities": 60,
    "n_relations": 12,
    "out_degree": 8,
    "ood_share": 0.15,
    "holdout_share": 0.05,
    "phi": 2,
}
VARIANTS: list[dict[str, Any]] = [
    GRAPH | {"n_new": 60, "n_retained": 300},
    GRAPH | {"n_new": 40, "n_retained": 501, "hop1_augmentation": 1.0},
    GRAPH | {"n_new": 60, "n_retained": 300, "tokens_per_entity": 2, "n_names": 9},
]
CASES = [TransferSettings.model_validate(changes) for changes in VARIANTS]
every = pytest.mark.parametrize(
    "settings", CASES, ids=lambda s: f"{s.n_new}|{s.n_retained}|{s.tokens_per_entity}"
)
Rows = dict[str, dict[tuple[str, ...], str]]


def read(settings: TransferSettings | CompositionSettings, seed: int = 0) -> Rows:
    task = build_task(settings, seed=seed)
    width = settings.tokens_per_entity
    return {name: questions(task, split, width) for name, split in task.splits.items()}


def origin(settings: TransferSettings) -> CompositionSettings:
    own = {"kind", "n_new", "n_retained"}
    return CompositionSettings.model_validate(settings.model_dump(exclude=own))


@every
def test_every_composition_of_new_and_kept_facts_is_tested(settings: TransferSettings):
    splits = read(settings)
    new = splits["atomic_new"]
    kept = {q: a for q, a in splits["train"].items() if len(q) == 2 and q not in new}
    for name, first, second in [
        ("test_new_old", new, kept),
        ("test_old_new", kept, new),
        ("test_new_new", new, new),
    ]:
        assert splits[name] == {
            (h, r1, r2): answer
            for (h, r1), bridge in first.items()
            for (b, r2), answer in second.items()
            if b == bridge
        }
        assert not splits[name].keys() & splits["train"].keys()


@every
def test_old_rows_are_those_of_the_composition_run_and_use_kept_facts(
    settings: TransferSettings,
):
    splits, old = read(settings), read(origin(settings))
    new = splits["atomic_new"]
    repeated = {q: a for q, a in splits["train"].items() if q not in new}
    assert len(new) == settings.n_new
    assert len(repeated) == settings.n_retained
    assert old["train"].items() >= repeated.items()
    kept = {q for q in repeated if len(q) == 2}
    assert kept <= old["atomic_id"].keys()
    facts = old["atomic_id"] | old["atomic_ood"]
    uses = {
        question: {(question[0], question[1]), (facts[question[:2]], question[2])}
        for question in old["train"]
        if len(question) == 3
    }
    assert all(uses[question] & kept for question in repeated if len(question) == 3)
    complete = [
        fact for fact in kept if all(q in repeated for q, parts in uses.items() if fact in parts)
    ]
    assert len(complete) >= len(kept) - 1


@every
def test_new_facts_use_free_pairs_and_half_of_them_lead_to_the_other_half(
    settings: TransferSettings,
):
    new, old = read(settings)["atomic_new"], read(origin(settings))
    assert not new.keys() & (old["atomic_id"] | old["atomic_ood"]).keys()
    heads = {head for head, _ in new}
    assert sum(tail in heads for tail in new.values()) >= settings.n_new // 2


@every
def test_tokens_mean_what_they_mean_to_the_composition_run(settings: TransferSettings):
    task, old = build_task(settings, seed=0), build_task(origin(settings), seed=0)
    assert (task.token_names, task.n_classes) == (old.token_names, old.n_classes)
    assert (task.read_at, task.length) == (old.read_at, old.length)


@every
def test_the_same_seed_gives_the_same_arrays_and_another_other_facts(settings: TransferSettings):
    first, again = (build_task(settings, seed=3) for _ in range(2))
    for name, split in first.splits.items():
        assert np.array_equal(split.tokens, again.splits[name].tokens)
        assert np.array_equal(split.targets, again.splits[name].targets)
    assert read(settings, 3)["atomic_new"] != read(settings, 4)["atomic_new"]


@every
def test_sizes_are_known_without_building(settings: TransferSettings):
    task, sizes = build_task(settings, seed=0), task_sizes(settings)
    rows = rows_by_use(task)
    assert sizes.train == rows["train"] == settings.n_new + settings.n_retained
    assert sizes.probes == rows["probes"] == len(task.splits["atomic_new"])
    assert sizes.test == pytest.approx(rows["test"], rel=0.35)
    assert (sizes.vocabulary, sizes.length) == (task.vocab_size, task.length)
    assert (sizes.n_classes, sizes.n_read) == (task.n_classes, len(task.read_at))


def test_the_published_settings_teach_2000_facts_with_8000_rows():
    task = build_task(TransferSettings(phi=18), seed=0)
    assert len(task.splits["train"]) == 10_000
    assert len(task.splits["atomic_new"]) == 2000
    atomic = (task.splits["train"].targets[:, 0] >= 0).sum()
    assert atomic - 2000 == pytest.approx(220, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hops": 3}, r"hops must be 2 in transfer, got 3; set hops to 2"),
        ({"n_new": 2001}, r"n_new must be even, .* got 2,001; give 2,000 or 2,002"),
        ({"n_relations": 20}, r"n_new must be at most 0, the unused pairs .* got 2,000"),
        ({"phi": 0.1, "n_retained": 50_000}, r"n_retained must be at most 41,800, .* got 50,000"),
        ({"n_retained": 200}, r"n_retained must keep .* got 200 \(about 10.5 times\); give"),
    ],
)
def test_a_mistake_is_named_with_its_rule_and_the_way_out(changes: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        TransferSettings.model_validate(changes)
