"""What every operation in every format delivers."""

from typing import Any, get_args

import numpy as np
import pytest

from data import ModularSettings, TaskData, build_task, task_sizes
from data.modular.formats import Format
from data.modular.operations import RULES
from data.modular.settings import OPERATIONS
from tests.data.oracle import answer

CASES = [
    ModularSettings.model_validate(
        {"operation": operation, "p": p, "format": format_name, "operand_zero": zero, "pairs": how}
    )
    for operation in OPERATIONS
    for format_name in get_args(Format)
    for p, zero, how in [(13, True, "apart"), (11, False, "together")]
]
pytestmark = pytest.mark.parametrize(
    "settings", CASES, ids=lambda s: f"{s.operation}|{s.format}|{s.p}|{s.pairs}"
)


def whole(task: TaskData) -> tuple[Any, Any]:
    """Tokens and targets of all splits."""
    splits = task.splits.values()
    return np.concatenate([s.tokens for s in splits]), np.concatenate([s.targets for s in splits])


def operands(settings: ModularSettings, tokens: Any) -> list[tuple[int, int]]:
    """The two numbers of each row, found without knowing the format."""
    return [tuple(int(t) for t in row if t < settings.p) for row in tokens]


def test_tokens_and_answers_lie_in_the_vocabulary(settings: ModularSettings):
    task = build_task(settings, seed=0)
    tokens, targets = whole(task)
    assert tokens.min() >= 0
    assert tokens.max() == task.vocab_size - 1
    assert targets.min() >= 0
    assert targets.max() < task.n_classes


def test_no_question_is_asked_twice_in_or_across_splits(settings: ModularSettings):
    tokens, _ = whole(build_task(settings, seed=0))
    assert len({tuple(row) for row in tokens.tolist()}) == len(tokens)


def test_every_pair_of_the_table_is_asked(settings: ModularSettings):
    tokens, _ = whole(build_task(settings, seed=0))
    first = 0 if settings.operand_zero else 1
    divisors = range(1 if settings.operation == "divide" else first, settings.p)
    expected = {(a, b) for a in range(first, settings.p) for b in divisors}
    assert set(operands(settings, tokens)) == expected


def test_answers_equal_those_of_the_definition(settings: ModularSettings):
    tokens, targets = whole(build_task(settings, seed=0))
    if settings.operation == "random":
        assert len(np.unique(targets)) > settings.p // 2
        return
    p = settings.p
    expected = [answer(settings.operation, a, b, p=p) for a, b in operands(settings, tokens)]
    assert targets[:, 0].tolist() == expected


def test_the_same_seed_gives_the_same_arrays_and_another_another_split(settings: ModularSettings):
    first, again, other = (build_task(settings, seed=seed) for seed in (3, 3, 4))
    for name, split in first.splits.items():
        assert np.array_equal(split.tokens, again.splits[name].tokens)
        assert np.array_equal(split.targets, again.splits[name].targets)
    assert not np.array_equal(first.splits["train"].tokens, other.splits["train"].tokens)


def test_rows_end_in_the_position_that_is_read(settings: ModularSettings):
    task = build_task(settings, seed=0)
    assert task.read_at == (task.length - 1,)
    assert {task.token_names[token] for token in task.splits["train"].tokens[:, -1]} == {"="}


def test_pairs_that_belong_together_stay_together(settings: ModularSettings):
    task = build_task(settings, seed=0)
    train = set(operands(settings, task.splits["train"].tokens))
    test = set(operands(settings, task.splits["test"].tokens))
    torn = {(a, b) for a, b in train if (b, a) in test}
    assert (not torn) == (settings.pairs == "together")


def test_sizes_are_known_without_building(settings: ModularSettings):
    task, sizes = build_task(settings, seed=0), task_sizes(settings)
    assert sizes.train == len(task.splits["train"])
    assert sizes.test == len(task.splits["test"])
    assert sizes.examples == sizes.train + sizes.test
    assert (sizes.vocabulary, sizes.length) == (task.vocab_size, task.length)
    assert (sizes.n_classes, sizes.n_read) == (task.n_classes, len(task.read_at))
    assert sizes.chance == task.chance


def test_majority_is_the_accuracy_of_the_commonest_answer(settings: ModularSettings):
    task = build_task(settings, seed=0)
    answers = whole(task)[1][:, 0].tolist()
    commonest = max(set(answers), key=answers.count)
    assert task.majority == pytest.approx(answers.count(commonest) / len(answers))
    assert task.chance == pytest.approx(1 / len(set(answers)))


def test_a_composite_modulus_is_refused_only_where_the_operation_divides(
    settings: ModularSettings,
):
    changed = settings.model_dump() | {"p": 12}
    if RULES[settings.operation].divides:
        with pytest.raises(ValueError, match=r"p must be prime .* got 12; .* 11 and 13"):
            ModularSettings.model_validate(changed)
    else:
        task = build_task(ModularSettings.model_validate(changed), seed=0)
        assert task.n_classes == 12
