"""What sparse parity delivers: the answers, the bits that count, and which sizes exist."""

from itertools import combinations, product

import pytest

from data import ParitySettings, TaskData, build_task, task_sizes
from data.parity.task import relevant_bits
from tests.data.contract import (
    assert_majority,
    assert_seeded,
    assert_sizes,
    assert_well_formed,
    rows_of,
)

CASES = [
    ParitySettings(),
    ParitySettings(n_bits=62, k=5, train_size=300, test_size=100),
    ParitySettings(n_bits=9, k=2, train_size=400, test_size=112),
    ParitySettings(n_bits=10, k=10, train_fraction=0.5),
    ParitySettings(n_bits=8, k=1, train_fraction=0.3),
]
every_case = pytest.mark.parametrize("settings", CASES, ids=lambda s: f"{s.n_bits}|{s.k}")


def answered(task: TaskData) -> list[tuple[tuple[int, ...], int]]:
    """Every row of every split with its answer."""
    return [
        (row, answer)
        for name, split in task.splits.items()
        for row, answer in zip(rows_of(task, name), split.targets[:, 0].tolist(), strict=True)
    ]


@every_case
def test_answers_are_the_parity_of_the_bits_that_count(settings: ParitySettings):
    places = relevant_bits(settings, seed=0).tolist()
    assert len(set(places)) == settings.k
    for row, answer in answered(build_task(settings, seed=0)):
        odd = False
        for place in places:
            odd ^= row[place] == 1
        assert answer == int(odd)


@every_case
def test_no_row_is_drawn_twice(settings: ParitySettings):
    rows = [row for row, _ in answered(build_task(settings, seed=0))]
    assert len(set(rows)) == len(rows)


@every_case
def test_the_task_keeps_the_contract(settings: ParitySettings):
    task = build_task(settings, seed=0)
    assert_well_formed(task)
    assert_seeded(settings)
    assert_sizes(settings)
    assert_majority(task)
    assert (task.chance, task.read_at) == (0.5, (settings.n_bits - 1,))


def test_no_other_three_bits_explain_the_answers():
    settings = ParitySettings(n_bits=12, k=3, train_size=300, test_size=100)
    pairs = answered(build_task(settings, seed=0))
    explaining = [
        places
        for places in combinations(range(12), 3)
        if all(sum(row[i] for i in places) % 2 == answer for row, answer in pairs)
    ]
    assert explaining == [tuple(relevant_bits(settings, seed=0).tolist())]


def test_other_seeds_let_other_bits_count():
    drawn = {tuple(relevant_bits(ParitySettings(), seed=seed).tolist()) for seed in range(20)}
    assert len(drawn) > 15


def test_a_fraction_shares_out_the_whole_table():
    task = build_task(ParitySettings(n_bits=10, k=10, train_fraction=0.5), seed=1)
    assert {row for row, _ in answered(task)} == set(product((0, 1), repeat=10))
    assert len(task.splits["train"]) == 512


def test_all_rows_that_exist_can_be_asked_for_but_no_more():
    assert task_sizes(ParitySettings(n_bits=4, train_size=10, test_size=6)).examples == 16
    with pytest.raises(ValueError, match=r"at most 16, the rows of 4 bits, got 10 \+ 7"):
        ParitySettings(n_bits=4, train_size=10, test_size=7)


def test_more_bits_cannot_count_than_there_are():
    with pytest.raises(ValueError, match=r"k must be at most n_bits, which is 5, got 6"):
        ParitySettings(n_bits=5, k=6, train_size=4, test_size=4)


def test_a_fraction_of_a_huge_table_is_refused():
    with pytest.raises(ValueError, match=r"at most 16 bits, got n_bits 17; .* train_size"):
        ParitySettings(n_bits=17, train_fraction=0.5)


def test_a_fraction_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match=r"at least one of 4 rows to train on, got 0.1; .* 0.25"):
        ParitySettings(n_bits=2, k=1, train_fraction=0.1)
