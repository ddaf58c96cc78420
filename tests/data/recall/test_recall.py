"""What associative recall delivers: every answer looked up again, and which sizes exist."""

import pytest

from data import IGNORED, RecallSettings, build_task, task_sizes
from tests.data.contract import (
    assert_majority,
    assert_seeded,
    assert_sizes,
    assert_well_formed,
    rows_of,
)

CASES = [
    RecallSettings(),
    RecallSettings(n_pairs=4, n_queries=2, n_blanks=5, n_keys=6, n_values=9, train_size=500),
    RecallSettings(n_pairs=1, n_queries=1, n_keys=20, n_values=20, train_size=150, test_size=50),
    RecallSettings(n_pairs=2, n_queries=1, n_keys=3, n_values=2, train_size=10, test_size=2),
]
every_case = pytest.mark.parametrize(
    "settings", CASES, ids=lambda s: f"{s.n_pairs}|{s.n_queries}|{s.n_blanks}"
)


@every_case
def test_answers_are_the_values_that_stood_after_the_keys(settings: RecallSettings):
    task = build_task(settings, seed=0)
    for split in task.splits.values():
        for row, targets in zip(split.tokens.tolist(), split.targets.tolist(), strict=True):
            words = [task.token_names[token] for token in row]
            seen: dict[str, str] = {}
            for place in range(0, 2 * settings.n_pairs, 2):
                assert words[place] not in seen
                seen[words[place]] = words[place + 1]
            assert all(value.startswith("v") for value in seen.values())
            assert len(set(seen.values())) == settings.n_pairs
            asked = [words[place] for place in task.read_at]
            answers = [task.token_names[t] if t != IGNORED else None for t in targets]
            assert answers == [seen.get(word) for word in asked]
            queries = [word for word in asked if word != "_"]
            assert len(queries) == len(set(queries)) == settings.n_queries


@every_case
def test_no_row_is_in_two_splits_or_twice_in_one(settings: RecallSettings):
    task = build_task(settings, seed=0)
    rows = rows_of(task, "train") + rows_of(task, "test")
    assert len(set(rows)) == len(rows)


@every_case
def test_the_task_keeps_the_contract(settings: RecallSettings):
    task = build_task(settings, seed=0)
    assert_well_formed(task)
    assert_seeded(settings)
    assert_sizes(settings)
    assert_majority(task)
    assert task.chance == 1 / settings.n_values


def test_queries_fall_on_every_place_and_ask_for_every_pair():
    settings = RecallSettings(n_pairs=4, n_queries=1, n_blanks=3, train_size=400)
    task = build_task(settings, seed=0)
    train = task.splits["train"]
    asked = (train.targets != IGNORED).sum(axis=0)
    assert asked.sum() == 400
    assert asked.min() > 60
    place_of_pair = (train.tokens[:, 1:8:2] == train.targets.max(axis=1)[:, None]).sum(axis=0)
    assert place_of_pair.sum() == 400
    assert place_of_pair.min() > 60


def test_the_values_are_nearly_equally_frequent_answers():
    task = build_task(RecallSettings(), seed=0)
    assert task.chance <= task.majority < 1.1 * task.chance


def test_as_many_rows_as_half_of_those_that_exist_can_be_drawn():
    settings = RecallSettings(
        n_pairs=1, n_queries=1, n_keys=4, n_values=4, train_size=6, test_size=2
    )
    assert len(set(rows_of(build_task(settings, seed=0), "train"))) == 6
    with pytest.raises(ValueError, match=r"at most 8, half of the rows that exist, got 9"):
        RecallSettings(n_pairs=1, n_queries=1, n_keys=4, n_values=4, train_size=7, test_size=2)


def test_more_queries_than_pairs_are_refused():
    with pytest.raises(ValueError, match=r"n_queries must be at most n_pairs, which is 4, got 5"):
        RecallSettings(n_pairs=4, n_queries=5)


@pytest.mark.parametrize("name", ["n_keys", "n_values"])
def test_a_vocabulary_that_is_too_small_for_a_row_is_refused(name: str):
    with pytest.raises(ValueError, match=rf"{name} must be at least n_pairs, which is 8, got 7"):
        RecallSettings.model_validate({name: 7})


def test_the_length_is_pairs_and_slots():
    sizes = task_sizes(RecallSettings(n_pairs=8, n_queries=4, n_blanks=3))
    assert (sizes.length, sizes.n_read, sizes.vocabulary) == (23, 7, 129)
