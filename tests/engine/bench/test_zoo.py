"""The page of tasks and architectures says what the settings say today."""

from engine.bench.zoo import (
    ABOUT_TASKS,
    HELD_TO,
    PAGE,
    about_architectures,
    architecture_cells,
    comparison_presets,
    split_names,
    task_cells,
)
from engine.config.fields import kinds
from tests.engine.models.agreement import GRADIENTS, LOGITS


def rows_of_the_page() -> dict[str, list[str]]:
    """The cells of each table row, by kind."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {cells[0].strip("`"): cells[1:] for cells in split}


def test_every_architecture_is_on_the_page_as_it_is_now():
    found = rows_of_the_page()
    assert sorted(architecture_cells()) == sorted(kinds("model")) == sorted(HELD_TO)
    for kind, cells in architecture_cells().items():
        logits, gradients = map(float, found[kind].pop(len(cells) - 1).split(", "))
        assert 0 < logits < LOGITS
        assert 0 < gradients < GRADIENTS
        assert found[kind][: len(cells)] == cells, f"run python -m engine.bench.zoo for {kind}"
        assert float(found[kind][len(cells)]) > 0


def test_every_task_is_on_the_page_as_it_is_now():
    found = rows_of_the_page()
    assert sorted(task_cells()) == sorted(kinds("task"))
    for kind, cells in task_cells().items():
        now = [*cells, split_names(kind)]
        assert found[kind] == now, f"run python -m engine.bench.zoo for {kind}"


def test_the_words_above_the_tables_are_those_of_now():
    lines = PAGE.read_text().splitlines()
    assert about_architectures() in lines
    assert ABOUT_TASKS in lines
    (batch_size,) = {config.training.batch_size for config in comparison_presets().values()}
    assert f"batches of {batch_size}." in about_architectures()
