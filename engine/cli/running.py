"""What `run` does: launch a preset, and with `--wait` follow it to its end."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from engine.cli.output import print_json, print_rows
from engine.client import Lab, connect
from engine.config import RunConfig, apply, parse_assignments
from engine.config.presets import PRESETS
from engine.config.problems import nearest
from engine.errors import SettingsError

LEAST_POLL_SECONDS, MOST_POLL_SECONDS = 0.2, 2.0
MOST_BY_THEMSELVES = 4
"""Runs that are named one by one while they are waited for: more fill no line of a terminal."""
ENDED = ("finished", "stopped", "failed", "lost")
COLUMNS = (
    "run_id",
    "name",
    "seed",
    "state",
    "steps",
    "seconds",
    "memorised_step",
    "onset_step",
    "grokked_step",
    "train_accuracy",
    "test_accuracy",
    "steps_per_second",
)


def run(arguments: argparse.Namespace) -> int:
    """Launch; exit status 1 when a waited-for run failed."""
    config = configured(arguments.preset, arguments.changes)
    lab = connect()
    run_ids = lab.launch(
        config,
        name=arguments.name or arguments.preset,
        seeds=arguments.seeds,
        tags=arguments.tags,
        notes=arguments.notes,
    )
    if not arguments.wait:
        return _launched(lab, run_ids, as_json=arguments.json)
    ended = follow(lab, run_ids, quiet=arguments.json)
    rows = [result(row) for row in ended]
    if arguments.json:
        print_json(rows)
    else:
        print_rows(rows, COLUMNS)
    failed = [row for row in ended if row["state"] not in ("finished", "stopped")]
    for row in failed:
        print(f"run {row['run_id']} {row['state']}: {row['state_reason']}", file=sys.stderr)
    return 1 if failed else 0


def configured(preset: str, changes: Sequence[str]) -> RunConfig:
    """A preset's configuration with `--set` changes applied."""
    if preset not in PRESETS:
        raise SettingsError(f"no preset is called '{preset}'; {nearest(preset, list(PRESETS))}")
    return apply(PRESETS[preset].config, parse_assignments(changes))


def result(row: dict[str, Any]) -> dict[str, Any]:
    """What is reported of a run that ended; `seconds` hold compilation, the rate does not."""
    renamed = {**row, "steps": row["last_step"], "seconds": row["train_seconds"]}
    return {column: renamed.get(column) for column in COLUMNS}


def follow(lab: Lab, run_ids: Sequence[int], *, quiet: bool) -> list[dict[str, Any]]:
    """Wait until no run of the list trains, queues or pauses; returns their rows.

    The longer it takes, the less often it asks: each answer is time that training has not.
    """
    shown, started = "", time.monotonic()
    while True:
        rows = lab.runs(run_ids)
        if not quiet:
            shown = _show_progress(rows, shown)
        if all(row["state"] in ENDED for row in rows):
            return rows
        waited = time.monotonic() - started
        time.sleep(min(max(waited / 20, LEAST_POLL_SECONDS), MOST_POLL_SECONDS))


def progress(rows: Sequence[dict[str, Any]]) -> str:
    """Where the runs are, on one line: each by itself while they are few, else counted."""
    if len(rows) > MOST_BY_THEMSELVES:
        states = Counter(row["state"] for row in rows)
        done, budget = (sum(row[key] or 0 for row in rows) for key in ("last_step", "budget"))
        counted = ", ".join(f"{n} {state}" for state, n in states.items())
        return f"{len(rows)} runs: {counted}; {done:,}/{budget:,} steps"
    return "; ".join(
        f"run {row['run_id']} {row['state']} {row['last_step'] or 0:,}/{row['budget']:,}"
        f" test {row['test_accuracy'] or 0:.2f}"
        for row in rows
    )


def _show_progress(rows: Sequence[dict[str, Any]], shown: str) -> str:
    line = progress(rows)
    if line != shown:
        print(line, file=sys.stderr)
    return line


def _launched(lab: Lab, run_ids: Sequence[int], *, as_json: bool) -> int:
    rows = lab.runs(run_ids)
    if as_json:
        print_json([result(row) for row in rows])
    else:
        print_rows(rows, ("run_id", "name", "seed", "state"))
    return 0
