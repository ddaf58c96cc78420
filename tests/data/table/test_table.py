"""What a user's table delivers: every row looked up in the text that was uploaded."""

from pathlib import Path

import pytest

from data import TableSettings, build_task, task_sizes
from data.errors import SettingsError, UploadRefused
from data.uploads import shelf
from tests.data.contract import (
    assert_majority,
    assert_seeded,
    assert_sizes,
    assert_well_formed,
    rows_of,
)

FRUIT = "colour,size,fruit\n" + "red,small,cherry\nred,large,apple\nyellow,long,banana\n"
FRUIT += "green,large,apple\ngreen,small,grape\napple,small,apple\n"


@pytest.fixture
def fruit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TableSettings:
    """An upload in a lab of its own; one input has the name of an answer."""
    monkeypatch.setenv("GROKKING_LAB_HOME", str(tmp_path))
    return TableSettings(sha256=shelf.keep(FRUIT.encode()), header=True)


def test_every_row_asks_for_the_last_field_of_a_line(fruit: TableSettings):
    task = build_task(fruit, seed=0)
    found = {
        (*(task.token_names[token] for token in row), task.token_names[answer])
        for split in task.splits.values()
        for row, (answer,) in zip(split.tokens.tolist(), split.targets.tolist(), strict=True)
    }
    lines = [line.split(",") for line in FRUIT.splitlines()[1:]]
    assert found == {(colour, size, "=", fruit) for colour, size, fruit in lines}


def test_answers_come_first_in_the_vocabulary(fruit: TableSettings):
    task = build_task(fruit, seed=0)
    assert set(task.token_names[: task.n_classes]) == {"cherry", "apple", "banana", "grape"}
    assert (task.chance, task.majority) == (1 / 4, 3 / 6)


def test_the_task_keeps_the_contract(fruit: TableSettings):
    for settings in (fruit, TableSettings()):
        task = build_task(settings, seed=0)
        assert_well_formed(task)
        assert_sizes(settings)
        assert_majority(task)
    assert_seeded(TableSettings())


def test_no_row_is_in_two_splits():
    task = build_task(TableSettings(train_fraction=0.3), seed=0)
    train, test = rows_of(task, "train"), rows_of(task, "test")
    assert (len(train), len(test)) == (29, 69)
    assert len(set(train + test)) == 98


def test_the_example_knows_the_days_of_the_week():
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    task = build_task(TableSettings(), seed=0)
    for split in task.splits.values():
        for row, (answer,) in zip(split.tokens.tolist(), split.targets.tolist(), strict=True):
            day, later, _ = (task.token_names[token] for token in row)
            assert task.token_names[answer] == days[(days.index(day) + int(later)) % 7]


def test_a_share_that_leaves_nothing_to_train_on_is_refused(fruit: TableSettings):
    few = fruit.model_copy(update={"train_fraction": 0.1})
    with pytest.raises(SettingsError, match=r"at least one of 6 rows .* got 0.1; .* 0.167"):
        task_sizes(few)


def test_an_upload_that_contradicts_itself_is_refused_when_it_is_used(fruit: TableSettings):
    name = shelf.keep(FRUIT.encode() + b"red,small,apple\n")
    with pytest.raises(UploadRefused, match=r"line 8 contradicts line 2 \(answer 'apple'"):
        task_sizes(fruit.model_copy(update={"sha256": name}))


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "f" * 63, "f" * 64 + "\n"])
def test_an_upload_is_named_by_its_hash_and_nothing_else(name: str):
    with pytest.raises(ValueError, match="sha256 must be the 64 hexadecimal digits"):
        TableSettings(sha256=name)
