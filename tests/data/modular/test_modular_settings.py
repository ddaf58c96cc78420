"""What modular settings accept, and what they say when they do not."""

import numpy as np
import pytest

from data import ModularSettings, build_task, task_sizes
from data.modular.operations import RULES
from data.modular.primes import is_prime, nearest_primes
from data.modular.settings import OPERATIONS


def test_every_operation_has_a_rule_and_every_rule_an_operation():
    assert tuple(RULES) == OPERATIONS


def test_nanda_trains_on_3830_of_12769_pairs():
    sizes = task_sizes(ModularSettings(p=113, train_fraction=0.3))
    assert (sizes.examples, sizes.train, sizes.test) == (12_769, 3_830, 8_939)
    assert (sizes.vocabulary, sizes.length) == (114, 3)


def test_a_fraction_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match=r"at least one of 9 pairs .* got 0.05; .* 0.112"):
        ModularSettings(p=3, train_fraction=0.05)


def test_the_fraction_that_the_refusal_names_is_accepted():
    assert task_sizes(ModularSettings(p=3, train_fraction=0.112)).train == 1


def test_the_largest_fraction_still_leaves_a_test_pair():
    settings = ModularSettings(p=3, operation="divide", operand_zero=False, train_fraction=0.99)
    assert len(build_task(settings, seed=0).splits["test"]) == 1


@pytest.mark.parametrize("train_fraction", [0.1, 0.11, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("operation", ["add", "divide"])
@pytest.mark.parametrize("p", [7, 13])
def test_keeping_pairs_together_costs_no_training_pair(
    p: int, operation: str, train_fraction: float
):
    apart = ModularSettings.model_validate(
        {"p": p, "operation": operation, "train_fraction": train_fraction}
    )
    together = apart.model_copy(update={"pairs": "together"})
    for seed in range(5):
        split = build_task(together, seed=seed).splits["train"]
        assert len(split) == len(build_task(apart, seed=seed).splits["train"])


def test_random_labels_follow_the_seed():
    settings = ModularSettings(p=13, operation="random")
    tables = []
    for seed in (0, 0, 1):
        splits = build_task(settings, seed=seed).splits.values()
        tables.append(
            {
                tuple(row): int(target)
                for split in splits
                for row, target in zip(split.tokens.tolist(), split.targets[:, 0], strict=True)
            }
        )
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


def test_the_split_does_not_depend_on_the_operation():
    add, random = (
        build_task(ModularSettings.model_validate({"p": 13, "operation": name}), seed=5)
        for name in ("add", "random")
    )
    assert np.array_equal(add.splits["train"].tokens, random.splits["train"].tokens)


@pytest.mark.parametrize(("spelling", "name"), [("+", "add"), ("/", "divide"), ("*", "multiply")])
def test_operations_can_be_written_as_symbols(spelling: str, name: str):
    assert ModularSettings.model_validate({"operation": spelling}).operation == name


def test_primes_are_those_of_the_sieve():
    composite = {multiple for n in range(2, 25) for multiple in range(2 * n, 600, n)}
    assert [n for n in range(600) if is_prime(n)] == [
        n for n in range(2, 600) if n not in composite
    ]


@pytest.mark.parametrize(
    ("n", "nearest"), [(100, (97, 101)), (113, (109, 127)), (2, (None, 3)), (4, (3, 5))]
)
def test_nearest_primes_lie_on_both_sides(n: int, nearest: tuple[int | None, int]):
    assert nearest_primes(n) == nearest


def test_the_first_rows_of_a_split_are_a_fair_sample():
    for split in build_task(ModularSettings(p=113), seed=0).splits.values():
        first = split.tokens[:256, 0]
        assert 40 < first.mean() < 72
        assert len(np.unique(first)) > 80
