"""What the tables of the symmetric groups deliver, re-derived one pair at a time."""

from itertools import permutations

import pytest

from data import PermutationSettings, build_task, task_sizes
from data.modular.formats import FORMATS
from tests.data.contract import (
    assert_majority,
    assert_seeded,
    assert_sizes,
    assert_well_formed,
    rows_of,
)

CASES = [
    PermutationSettings.model_validate(
        {"group": group, "operation": operation, "format": format_name}
    )
    for group, operation, format_name in [
        *((group, op, "a b =") for group in ("S3", "S4") for op in ("ab", "aba^-1", "aba")),
        ("S3", "aba^-1", "a o b ="),
        ("S3", "ab", "eos a o b ="),
        ("S5", "aba", "a b ="),
    ]
]
every_case = pytest.mark.parametrize(
    "settings", CASES, ids=lambda s: f"{s.group}|{s.operation}|{s.format}"
)


def apply(word: str, to: int) -> int:
    """Where an element, written by its images, sends a number."""
    return int(word[to - 1])


def undo(word: str, to: int) -> int:
    """What an element sends to a number."""
    return word.index(str(to)) + 1


def oracle(operation: str, a: str, b: str) -> str:
    """The product by following every number through the word, from its right end."""
    images: list[int] = []
    for i in range(1, len(a) + 1):
        match operation:
            case "ab":
                images.append(apply(a, apply(b, i)))
            case "aba":
                images.append(apply(a, apply(b, apply(a, i))))
            case _:
                images.append(apply(a, apply(b, undo(a, i))))
    return "".join(map(str, images))


@every_case
def test_answers_are_the_products(settings: PermutationSettings):
    task = build_task(settings, seed=0)
    words = FORMATS[settings.format]
    for split in task.splits.values():
        for row, (answer,) in zip(split.tokens.tolist(), split.targets.tolist(), strict=True):
            shown = {word: task.token_names[t] for word, t in zip(words, row, strict=True)}
            expected = oracle(settings.operation, shown["a"], shown["b"])
            assert task.token_names[answer] == expected


@every_case
def test_every_pair_is_asked_once_in_one_split(settings: PermutationSettings):
    task = build_task(settings, seed=0)
    rows = rows_of(task, "train") + rows_of(task, "test")
    degree = int(settings.group[1])
    names = ["".join(word) for word in permutations("12345"[:degree])]
    assert len(rows) == len(set(rows)) == len(names) ** 2
    assert list(task.token_names[: len(names)]) == names


@every_case
def test_the_task_keeps_the_contract(settings: PermutationSettings):
    task = build_task(settings, seed=0)
    assert_well_formed(task)
    assert_seeded(settings)
    assert_sizes(settings)
    assert_majority(task)
    assert task.chance == 1 / task.n_classes
    assert {task.token_names[row[-1]] for row in rows_of(task, "train")} == {"="}


def test_power_trains_on_7200_of_14400_pairs_of_s5():
    sizes = task_sizes(PermutationSettings())
    assert (sizes.examples, sizes.train, sizes.vocabulary) == (14_400, 7_200, 121)


def test_order_matters_and_the_product_acts_from_the_right():
    task = build_task(PermutationSettings(group="S3"), seed=0)
    table = {
        row[:2]: int(target)
        for name, split in task.splits.items()
        for row, target in zip(rows_of(task, name), split.targets[:, 0], strict=True)
    }
    assert table[1, 2] == task.token_names.index("312")
    assert table[2, 1] == task.token_names.index("231")


def test_the_inverse_can_be_written_with_a_superscript():
    assert PermutationSettings.model_validate({"operation": "aba⁻¹"}).operation == "aba^-1"


def test_a_share_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match=r"at least one of 36 pairs .* got 0.02; .* 0.028"):
        PermutationSettings(group="S3", train_fraction=0.02)
    assert task_sizes(PermutationSettings(group="S3", train_fraction=0.028)).train == 1
