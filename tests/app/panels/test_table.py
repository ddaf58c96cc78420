"""The table of runs says what is recorded, in the words of the other pages."""

import json

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.words import percent

ACCURACIES = [0.99999, 1.0, 0.99784, 0.5, 1 / 59, 0.00002, 0.0]


def _table(accuracies: list[float | None]) -> None:
    from app.panels import table
    from tests.app.recorded import run

    config = {"task": {"kind": "modular"}}
    table.grid([run(i, config=config, test_accuracy=value) for i, value in enumerate(accuracies)])


def column(accuracies: list[float | None]) -> tuple[pd.Series, str]:
    """What the table holds of test accuracy, and the format of its cells."""
    app = AppTest.from_function(_table, kwargs={"accuracies": accuracies}).run()
    assert not app.exception
    told = json.loads(app.dataframe[0].proto.columns)["test accuracy"]["type_config"]
    return app.dataframe[0].value["test accuracy"], told["format"]


def drawn(accuracies: list[float | None]) -> list[str]:
    values, written = column(accuracies)
    return [written % value for value in values]


@pytest.mark.parametrize("accuracy", ACCURACIES)
def test_an_accuracy_is_written_by_the_rule_of_all_pages(accuracy: float):
    (cell,) = drawn([accuracy])
    number, rule = (float(text.removesuffix(" %")) for text in (cell, percent(accuracy)))
    assert number == rule


def test_only_what_is_all_or_nothing_is_100_or_0_percent():
    assert drawn([0.99999, 1.0]) == ["99.99 %", "100 %"]
    assert drawn([0.00002, 0.0]) == ["0.002 %", "0 %"]


def test_runs_without_an_accuracy_have_an_empty_cell():
    values, _ = column([None, 0.5])
    assert values.isna().tolist() == [True, False]
    assert values.dtype == float
