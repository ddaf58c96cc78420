"""Which runs there are, what people wrote about them, and how far each has come."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from data import TaskSettings, task_sizes
from data.errors import LabError
from engine.errors import RunNotFound
from engine.measures.onset import Thresholds, phase
from engine.store.database import Connection, Database
from engine.store.markers import stored_markers
from engine.store.rows import Row, fetch, first, now, numbers
from engine.store.written import checked_name, checked_notes, checked_tags

ENDED = ("paused", "finished", "stopped", "failed", "lost")
_TEST_SPLITS = ("test", "test_id", "test_ood", "test_new_old")
"""Where a run has several test splits, the first of these stands for the run in lists."""
_TABLES = ("metrics", "latest", "events", "snapshots", "checkpoints", "journals", "runs")


def create_run(
    cursor: Connection,
    *,
    name: str,
    config: Mapping[str, Any],
    sweep_id: str | None,
    parent: tuple[int | None, int | None],
    tags: Sequence[str],
    notes: str,
    code_version: str,
    run_id: int | None = None,
    created: datetime | None = None,
) -> int:
    """Add a queued run and return its number, which no other run ever had.

    A number and a time are given only when a lost database is rebuilt.
    """
    written = [checked_name(name), checked_tags(tags), checked_notes(notes)]
    if run_id is None:
        (last,) = first(cursor, "SELECT value FROM counters WHERE name = 'run_id'") or (0,)
        run_id = int(last) + 1
    cursor.execute(
        "UPDATE counters SET value = greatest(value, ?) WHERE name = 'run_id'", [run_id]
    )
    cursor.execute(
        """
        INSERT INTO runs (run_id, created, state, state_reason, last_step, parent_run, parent_step,
            sweep_id, code_version, train_seconds, attempt, config, name, tags, notes)
        VALUES (?, ?, 'queued', '', 0, ?, ?, ?, ?, 0, 0, '{}', ?, ?, ?)
        """,
        [run_id, created or now(), *parent, sweep_id, code_version, *written],
    )
    set_config(cursor, run_id, config)
    return run_id


def set_config(cursor: Connection, run_id: int, config: Mapping[str, Any]) -> None:
    """Replace a run's settings and the columns that repeat them."""
    training = config.get("training", {})
    kinds = [config.get(part, {}).get("kind") for part in ("task", "model", "optimizer")]
    cursor.execute(
        "UPDATE runs SET config = ?, task = ?, model = ?, optimizer = ?, seed = ?, budget = ?,"
        " chance = ? WHERE run_id = ?",
        [
            json.dumps(dict(config)),
            *kinds,
            training.get("seed"),
            training.get("steps"),
            _chance(config),
            run_id,
        ],
    )


def update_run(
    cursor: Connection,
    run_id: int,
    *,
    name: str | None,
    tags: Sequence[str] | None,
    notes: str | None,
    config: Mapping[str, Any] | None,
) -> None:
    """Change what is given; None leaves a field alone.

    Raises:
        RunNotFound: no run has this number.
        SettingsError: a text is too long.
    """
    require_run(cursor, run_id)
    if name is not None:
        cursor.execute("UPDATE runs SET name = ? WHERE run_id = ?", [checked_name(name), run_id])
    if tags is not None:
        cursor.execute("UPDATE runs SET tags = ? WHERE run_id = ?", [checked_tags(tags), run_id])
    if notes is not None:
        cursor.execute(
            "UPDATE runs SET notes = ? WHERE run_id = ?", [checked_notes(notes), run_id]
        )
    if config is not None:
        set_config(cursor, run_id, config)


def set_state(cursor: Connection, run_id: int, state: str, *, reason: str) -> None:
    """Change a run's state. Raises RunNotFound."""
    require_run(cursor, run_id)
    ended_at = now() if state in ENDED else None
    cursor.execute(
        "UPDATE runs SET state = ?, state_reason = ?, finished_at = ? WHERE run_id = ?",
        [state, reason, ended_at, run_id],
    )


def delete_run(cursor: Connection, run_id: int) -> None:
    """Remove a run and everything recorded of it. Raises RunNotFound."""
    require_run(cursor, run_id)
    for table in _TABLES:
        cursor.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id])


def require_run(cursor: Connection, run_id: int) -> None:
    """Raise RunNotFound unless the run exists."""
    if first(cursor, "SELECT 1 FROM runs WHERE run_id = ?", [run_id]) is None:
        highest = first(cursor, "SELECT max(run_id) FROM runs")
        known = (
            f"the latest is run {highest[0]}" if highest and highest[0] else "there are none yet"
        )
        raise RunNotFound(f"there is no run {run_id}; {known}")


def list_runs(database: Database, run_ids: Sequence[int] | None) -> list[Row]:
    """Runs by number, with latest values, markers and phase; unknown numbers are left out."""
    chosen = "true" if run_ids is None else f"run_id IN {numbers(run_ids)}"
    newest: defaultdict[int, dict[str, float]] = defaultdict(dict)
    found: defaultdict[int, list[Row]] = defaultdict(list)
    with database.reading() as cursor:
        # one after the other: a join of the three takes DuckDB twice as long to plan
        rows = fetch(cursor, f"SELECT * FROM runs WHERE {chosen} ORDER BY run_id")
        cursor.execute(
            "SELECT run_id, split || '/' || metric, value FROM latest"
            f" WHERE metric IN ('accuracy', 'loss') AND {chosen}"
        )
        for run_id, name, value in cursor.fetchall():
            newest[run_id][name] = value
        for event in fetch(
            cursor,
            "SELECT run_id, step, kind, detector, value, payload FROM events"
            f" WHERE (detector != '' OR kind = 'diverged') AND {chosen} ORDER BY step",
        ):
            found[event["run_id"]].append(event)
    return [_summary(row, newest[row["run_id"]], found[row["run_id"]]) for row in rows]


def queued_runs(database: Database) -> list[Row]:
    """Runs that wait for a slot, oldest first."""
    with database.reading() as cursor:
        rows = fetch(cursor, "SELECT * FROM runs WHERE state = 'queued' ORDER BY created, run_id")
    return [{**row, "config": json.loads(row["config"])} for row in rows]


def _summary(row: Row, latest: Mapping[str, float], found: Sequence[Row]) -> Row:
    markers = stored_markers(found)
    thresholds = json.loads(row["thresholds"]) if row["thresholds"] else {}
    splits = {key.split("/")[0] for key in latest}
    test = next((split for split in _TEST_SPLITS if split in splits), "test")
    ours = [marker for marker in markers if marker.split in ("train", test)]
    steps = {marker.kind: marker.step for marker in ours}
    delays = [int(marker.value) for marker in ours if marker.kind == "grokked"]
    return {
        **row,
        "config": json.loads(row["config"]),
        "thresholds": thresholds,
        "memorised_step": steps.get("memorised"),
        "onset_step": steps.get("onset"),
        "grokked_step": steps.get("grokked"),
        "collapsed_step": steps.get("collapsed"),
        "delay": delays[0] if delays else None,
        "splits": sorted(splits),
        "test_split": test,
        "accuracies": {
            split: latest[f"{split}/accuracy"]
            for split in sorted(splits)
            if f"{split}/accuracy" in latest
        },
        "markers": [
            {"split": marker.split, "kind": marker.kind, "step": marker.step} for marker in markers
        ],
        "train_accuracy": latest.get("train/accuracy"),
        "test_accuracy": latest.get(f"{test}/accuracy"),
        "train_loss": latest.get("train/loss"),
        "test_loss": latest.get(f"{test}/loss"),
        "phase": phase(
            ours,
            state=row["state"],
            last_step=row["last_step"],
            test_accuracy=latest.get(f"{test}/accuracy"),
            diverged=row["state"] == "failed" and any(e["kind"] == "diverged" for e in found),
            thresholds=Thresholds.parse(thresholds),
        ),
    }


def _chance(config: Mapping[str, Any]) -> float | None:
    try:
        task = TypeAdapter[TaskSettings](TaskSettings).validate_python(config.get("task"))
        return task_sizes(task).chance
    except (ValidationError, LabError):
        return None
