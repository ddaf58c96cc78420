"""What in-context modular arithmetic delivers: hidden tasks found again by trying all of them."""

from itertools import combinations, product

import numpy as np
import pytest

from data import IGNORED, InContextSettings, TaskData, build_task, task_sizes
from data.in_context.rectangles import most_rectangles, seen_tasks
from tests.data.contract import assert_majority, assert_seeded, assert_sizes, assert_well_formed

CASES = [
    InContextSettings(p=7, n_shots=8, n_rectangles=3, train_size=120, test_size=60),
    InContextSettings(
        p=11, n_shots=12, n_rectangles=15, train_size=300, test_size=90, train_fraction=0.5
    ),
    InContextSettings(p=9, n_shots=10, n_unasked=0, n_rectangles=4, train_size=90, test_size=60),
]
every_case = pytest.mark.parametrize("settings", CASES, ids=lambda s: f"{s.p}|{s.n_rectangles}")
Pair = tuple[int, int]


def triples(row: list[int]) -> list[tuple[int, int, int]]:
    """A row, three by three."""
    return [(row[i], row[i + 1], row[i + 2]) for i in range(0, len(row), 3)]


def tasks_of(row: list[int], p: int) -> set[Pair]:
    """All (a, b) that explain every triple of a row."""
    return {
        (a, b)
        for a, b in product(range(p), repeat=2)
        if all((a * x + b * y) % p == z for x, y, z in triples(row))
    }


def inputs_of(task: TaskData, split: str) -> set[Pair]:
    """The inputs (x, y) that occur in a split."""
    rows = task.splits[split].tokens.tolist()
    return {(x, y) for row in rows for x, y, _ in triples(row)}


def certain_tasks(task: TaskData, split: str) -> list[Pair]:
    """The tasks of those rows of a split that only one task explains."""
    rows = task.splits[split].tokens.tolist()
    found = [tasks_of(row, task.n_classes) for row in rows]
    assert all(found)
    return [next(iter(each)) for each in found if len(each) == 1]


@every_case
def test_some_task_explains_every_row_and_nearly_always_only_one(settings: InContextSettings):
    task = build_task(settings, seed=0)
    for name, split in task.splits.items():
        assert len(certain_tasks(task, name)) > 0.9 * len(split)


@every_case
def test_answers_are_the_third_of_each_triple_after_the_unasked(settings: InContextSettings):
    for split in build_task(settings, seed=0).splits.values():
        for row, targets in zip(split.tokens.tolist(), split.targets.tolist(), strict=True):
            answers = [z for _, _, z in triples(row)]
            assert targets[settings.n_unasked :] == answers[settings.n_unasked :]
            assert targets[: settings.n_unasked] == [IGNORED] * settings.n_unasked


@every_case
def test_answers_are_read_at_every_y_before_they_are_shown(settings: InContextSettings):
    task = build_task(settings, seed=0)
    assert task.read_at == tuple(3 * shot + 1 for shot in range(settings.n_shots))


@every_case
def test_tasks_are_seen_or_unseen_and_inputs_shown_or_held_out(settings: InContextSettings):
    task = build_task(settings, seed=0)
    seen, unseen = set(certain_tasks(task, "train")), set(certain_tasks(task, "test_ood"))
    assert len(seen) == 4 * settings.n_rectangles
    assert seen == set(certain_tasks(task, "train_id")) == set(certain_tasks(task, "test_id"))
    assert not seen & (unseen | set(certain_tasks(task, "train_ood")))
    shown, held_out = inputs_of(task, "train"), inputs_of(task, "test_id")
    assert not shown & held_out
    assert len(shown) + len(held_out) == settings.p**2
    assert inputs_of(task, "train_id") | inputs_of(task, "train_ood") <= shown
    assert inputs_of(task, "test_ood") <= held_out


@every_case
def test_no_input_occurs_twice_in_a_row(settings: InContextSettings):
    for split in build_task(settings, seed=0).splits.values():
        for row in split.tokens.tolist():
            assert len({(x, y) for x, y, _ in triples(row)}) == settings.n_shots


@every_case
def test_the_task_keeps_the_contract(settings: InContextSettings):
    task = build_task(settings, seed=0)
    assert_well_formed(task)
    assert_seeded(settings)
    assert_sizes(settings)
    assert_majority(task)
    assert task.chance == 1 / settings.p


@pytest.mark.parametrize(("p", "n_rectangles"), [(3, 1), (5, 4), (7, 7), (11, 21), (29, 169)])
def test_seen_tasks_are_corners_of_rectangles_that_share_none(p: int, n_rectangles: int):
    tasks = seen_tasks(n_rectangles, p=p, rng=np.random.default_rng(0)).tolist()
    assert len(set(tasks)) == len(tasks) == 4 * n_rectangles
    for corner in range(0, len(tasks), 4):
        (a, b), (c, y), (x, d), (e, f) = (divmod(task, p) for task in tasks[corner : corner + 4])
        assert a == c != x == e
        assert b == d != y == f


def test_every_task_has_its_share_of_the_training_rows():
    settings = InContextSettings(p=7, n_shots=8, n_rectangles=2, train_size=84, test_size=60)
    task = build_task(settings, seed=0)
    found = certain_tasks(task, "train")
    assert len(found) == 84
    assert {found.count(each) for each in found} <= {10, 11}


def test_the_papers_rows_have_96_tokens_of_29_residues():
    sizes = task_sizes(InContextSettings())
    assert (sizes.length, sizes.n_read, sizes.vocabulary) == (96, 32, 29)


def test_solving_each_row_from_its_earlier_triples_is_exact_once_two_were_independent():
    settings = InContextSettings(p=7, n_shots=8, n_rectangles=3, n_unasked=0, test_size=60)
    split = build_task(settings, seed=0).splits["test_ood"]
    predicted = np.array(
        [
            [
                (min(tasks_of(row[: 3 * i], 7))[0] * x + min(tasks_of(row[: 3 * i], 7))[1] * y) % 7
                for i, (x, y, _) in enumerate(triples(row))
            ]
            for row in split.tokens.tolist()
        ],
        dtype=np.int64,
    )
    accuracy = (predicted == split.targets).mean(axis=0)
    assert accuracy[0] < 0.5
    assert accuracy[2] > 0.7
    assert accuracy[4:].min() > 0.95


def most_without_a_rectangle(p: int) -> int:
    """The most cells of a p by p table among which no four are corners, by trying all rows."""
    rows = [sum(1 << place for place in row) for row in subsets(p)]
    best = 0
    open_ends: list[tuple[list[int], int]] = [([], 0)]
    while open_ends:
        chosen, start = open_ends.pop()
        best = max(best, sum(row.bit_count() for row in chosen))
        if len(chosen) < p:
            open_ends += [
                ([*chosen, rows[i]], i)
                for i in range(start, len(rows))
                if all((rows[i] & row).bit_count() < 2 for row in chosen)
            ]
    return best


def subsets(p: int) -> list[tuple[int, ...]]:
    """The sets of one or more columns."""
    return [row for size in range(1, p + 1) for row in combinations(range(p), size)]


@pytest.mark.parametrize("p", [3, 4])
def test_there_is_always_another_rectangle_below_the_most(p: int):
    left_free = p * p - 4 * (most_rectangles(p) - 1)
    assert left_free > most_without_a_rectangle(p)


def test_the_papers_512_tasks_can_be_had():
    for n_rectangles in (2, 128):
        task = build_task(InContextSettings(n_rectangles=n_rectangles, train_size=2048), seed=0)
        assert len(set(certain_tasks(task, "train"))) == 4 * n_rectangles


def test_too_many_rectangles_are_refused():
    with pytest.raises(
        ValueError, match=r"n_rectangles must be at most 169, .* p = 29 .*, got 170"
    ):
        InContextSettings(n_rectangles=170)


def test_more_shots_than_inputs_are_refused():
    with pytest.raises(ValueError, match=r"n_shots = 32 .* leaves 39 to train on and 10 to test"):
        InContextSettings(p=7, n_rectangles=3)


def test_a_row_that_asks_for_nothing_is_refused():
    with pytest.raises(ValueError, match=r"n_unasked must be less than n_shots, which is 2, got"):
        InContextSettings(n_shots=2, n_unasked=2)
