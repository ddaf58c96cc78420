"""What every task owes, whatever it asks: shapes, ranges, determinism, sizes."""

import numpy as np
import pytest

from data import (
    IGNORED,
    TaskData,
    TaskSettings,
    build_task,
    is_held_out,
    position_names,
    task_sizes,
)


def rows_of(task: TaskData, split: str) -> list[tuple[int, ...]]:
    """The token rows of a split."""
    return [tuple(row) for row in task.splits[split].tokens.tolist()]


def rows_by_use(task: TaskData) -> dict[str, int]:
    """Rows that are trained on, that are held out, and that probe what is trained on."""
    rows = dict.fromkeys(("train", "test", "probes"), 0)
    for name, split in task.splits.items():
        use = "train" if name == "train" else "test" if is_held_out(name) else "probes"
        rows[use] += len(split)
    return rows


def assert_well_formed(task: TaskData) -> None:
    """Tokens and targets have the shapes and lie in the ranges that the task declares."""
    assert next(iter(task.splits)) == "train"
    assert 0 < task.n_classes <= task.vocab_size
    assert all(0 <= place < task.length for place in task.read_at)
    assert len(set(task.token_names)) == task.vocab_size
    for split in task.splits.values():
        assert len(split) > 0
        assert split.tokens.shape == (len(split), task.length)
        assert split.targets.shape == (len(split), len(task.read_at))
        assert split.tokens.dtype == split.targets.dtype == np.int64
        assert split.tokens.min() >= 0
        assert split.tokens.max() < task.vocab_size
        asked = split.targets[split.targets != IGNORED]
        assert len(asked) >= len(split)
        assert asked.min() >= 0
        assert asked.max() < task.n_classes
        alphabets = task.alphabets or [range(task.vocab_size)] * task.length
        for alphabet, column in zip(alphabets, split.tokens.T, strict=True):
            assert set(column.tolist()) <= set(alphabet)


def assert_seeded(settings: TaskSettings) -> None:
    """The same seed gives the same arrays; another gives others of the same shapes."""
    first, again, other = (build_task(settings, seed=seed) for seed in (3, 3, 4))
    for name, split in first.splits.items():
        assert np.array_equal(split.tokens, again.splits[name].tokens)
        assert np.array_equal(split.targets, again.splits[name].targets)
        assert split.tokens.shape == other.splits[name].tokens.shape
    assert first.alphabets == other.alphabets
    assert not np.array_equal(first.splits["train"].tokens, other.splits["train"].tokens)


def assert_sizes(settings: TaskSettings) -> None:
    """What `task_sizes` says is what `build_task` delivers."""
    task, sizes = build_task(settings, seed=0), task_sizes(settings)
    rows = rows_by_use(task)
    assert (sizes.train, sizes.test, sizes.probes) == (rows["train"], rows["test"], rows["probes"])
    assert sizes.examples == sizes.train + sizes.test
    assert (sizes.vocabulary, sizes.length) == (task.vocab_size, task.length)
    assert (sizes.n_classes, sizes.n_read) == (task.n_classes, len(task.read_at))
    assert sizes.chance == task.chance
    names = position_names(settings, length=task.length)
    assert len(names) == len(set(names)) == task.length


def assert_majority(task: TaskData) -> None:
    """Majority is the accuracy of the commonest answer, counted one by one."""
    answers = [
        target
        for split in task.splits.values()
        for target in split.targets.reshape(-1).tolist()
        if target != IGNORED
    ]
    commonest = max(set(answers), key=answers.count)
    assert task.majority == pytest.approx(answers.count(commonest) / len(answers))
