"""The commands of the README, typed one after the other into a fresh lab."""

import shlex
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.client import connect

README = Path(__file__).parents[3] / "README.md"
START = ".venv/bin/python -m engine "
SMALL = [
    *("--set", "task.p=11", "--set", "model.d_model=16", "--set", "model.n_heads=2"),
    *("--set", "model.d_mlp=32", "--set", "training.steps=600"),
]
"""Settings with which the runs take seconds, and are long enough for what follows them."""


@pytest.mark.usefixtures("home")
def test_the_commands_work_in_the_order_in_which_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    lines = [line for line in README.read_text().splitlines() if line.startswith(START)]
    commands = [shlex.split(line.removeprefix(START), comments=True) for line in lines]
    assert {"run", "fork", "sql", "export"} < {command[0] for command in commands}
    for command in commands:
        assert main([*command, *(SMALL if command[0] == "run" else [])]) == 0, command
    assert {"curves.parquet", "network"} < {file.name for file in tmp_path.iterdir()}


@pytest.mark.usefixtures("home")
def test_the_query_finds_accuracies_alone():
    (query,) = [
        shlex.split(line)[-1]
        for line in README.read_text().splitlines()
        if line.startswith(f"{START}sql")
    ]
    lab = connect()
    measured = "(VALUES (1, 'test', 'loss', 3, 5.0), (2, 'test', 'accuracy', 7, 0.96))"
    names = "metrics(run_id, split, metric, step, value)"
    found = lab.select(f"WITH {names} AS (FROM {measured}) {query}").to_pylist()
    assert [tuple(row.values()) for row in found] == [(2, 7)]
