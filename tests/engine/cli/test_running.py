"""What is told while runs are waited for."""

from typing import Any

from engine.cli.running import progress


def row(run: int, state: str, last_step: int | None) -> dict[str, Any]:
    standing = {"state": state, "last_step": last_step, "test_accuracy": 0.25}
    return {"run_id": run, "budget": 4000, **standing}


def test_few_runs_are_told_one_by_one():
    told = progress([row(1, "running", 1200), row(2, "queued", None)])
    assert told == "run 1 running 1,200/4,000 test 0.25; run 2 queued 0/4,000 test 0.25"


def test_many_runs_are_counted_on_one_short_line():
    rows = [row(run, "running", 1000) for run in range(1, 63)]
    told = progress([row(63, "finished", 4000), *rows, row(64, "queued", None)])
    assert told == "64 runs: 1 finished, 62 running, 1 queued; 66,000/256,000 steps"
