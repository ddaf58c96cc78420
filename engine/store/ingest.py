"""How journals become rows: new lines, and how far they were read, in one transaction."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.store.attempts import begin_attempt
from engine.store.batch import ENDINGS, Batch, Points
from engine.store.database import Connection, Database
from engine.store.events import insert_events, malformed_events
from engine.store.markers import Markers
from engine.store.reading import Position, read_batch
from engine.store.rows import insert, numbers, unnested
from engine.store.snapshots import insert_snapshots


@dataclass(frozen=True, slots=True)
class Ingested:
    """What new journal lines told of one run."""

    lines: int = 0
    """Whole lines read."""
    malformed: int = 0
    """Of these, lines that say nothing a journal may say; an event tells of them."""
    last_step: int = 0
    ended: str | None = None
    """The reason of the `end` line, when it is among them."""
    message: str = ""
    """What the `end` line says in words."""
    acks: tuple[str, ...] = ()
    """Ids of the commands that were obeyed."""


class Ingest:
    """Reads journals into the database, every line exactly once.

    The offset of a journal changes in the transaction that stores its lines. After any failure
    nothing is remembered here: offsets and detectors are read from the database again.
    """

    def __init__(self, database: Database, markers: Markers) -> None:
        self._database, self._markers = database, markers
        self._positions: dict[int, Position] = {}

    def begin_attempt(
        self, cursor: Connection, run_id: int, *, attempt: int, from_step: int
    ) -> None:
        """Forget what lies past `from_step` and turn to the journal of `attempt`."""
        self.forget(run_id)
        begin_attempt(cursor, run_id, attempt=attempt, from_step=from_step)
        self._markers.refold(cursor, run_id)
        self._markers.forget(run_id)

    def forget(self, run_id: int) -> None:
        """Read the run's position from the database the next time."""
        self._positions.pop(run_id, None)

    def many(
        self, run_ids: Iterable[int], folder_of: Callable[[int], Path]
    ) -> dict[int, Ingested]:
        """Take in all that the journals of these runs hold; a run with no new line is left out.

        What a run writes meanwhile waits for the next call: a fast run on a slow disk would hold
        up the caller for as long as it trains.
        """
        told: dict[int, Ingested] = {}
        waiting = list(run_ids)
        while waiting:
            batches = self._read(waiting, folder_of)
            if batches:
                self._store(batches, folder_of)
            for batch in batches:
                told[batch.run_id] = _together(told.get(batch.run_id), batch)
            waiting = [batch.run_id for batch in batches if batch.more]
        return told

    def _read(self, run_ids: Sequence[int], folder_of: Callable[[int], Path]) -> list[Batch]:
        unknown = [run_id for run_id in run_ids if run_id not in self._positions]
        if unknown:
            with self._database.reading() as cursor:
                self._positions |= _positions(cursor, unknown)
        found = (
            read_batch(run_id, folder_of(run_id), self._positions[run_id])
            for run_id in run_ids
            if run_id in self._positions
        )
        return [batch for batch in found if batch is not None]

    def _store(self, batches: Sequence[Batch], folder_of: Callable[[int], Path]) -> None:
        try:
            with self._database.writing() as cursor:
                _insert_evaluations(cursor, batches)
                insert_events(
                    cursor,
                    [(b.run_id, *event) for b in batches for event in b.events]
                    + malformed_events(batches),
                )
                insert_snapshots(cursor, batches, folder_of)
                _insert_checkpoints(cursor, batches)
                _advance(cursor, batches)
                for batch in batches:
                    self._markers.extend(cursor, batch)
        except BaseException:
            for batch in batches:
                self.forget(batch.run_id)
                self._markers.forget(batch.run_id)
            raise
        for batch in batches:
            known = self._positions[batch.run_id]
            self._positions[batch.run_id] = replace(known, offset=batch.byte_offset)
            if batch.ended is not None:
                self._markers.forget(batch.run_id)


def _positions(cursor: Connection, run_ids: Sequence[int]) -> dict[int, Position]:
    rows = cursor.execute(
        f"""
        SELECT run_id, max(attempt), arg_max(from_step, attempt), arg_max(byte_offset, attempt),
            sum(train_seconds) - arg_max(train_seconds, attempt)
        FROM journals WHERE run_id IN {numbers(run_ids)} GROUP BY run_id
        """
    ).fetchall()
    return {run_id: Position(*rest) for run_id, *rest in rows}


def _insert_evaluations(cursor: Connection, batches: Sequence[Batch]) -> None:
    points = [(batch.run_id, batch.points) for batch in batches if batch.points.steps]
    if not points:
        return
    run_ids = np.repeat([run for run, _ in points], [len(p.steps) for _, p in points])
    given = {
        "run_id": pa.array(run_ids, pa.int32()),
        "step": pa.array(list(chain.from_iterable(p.steps for _, p in points)), pa.int64()),
        "split": pa.array(list(chain.from_iterable(p.splits for _, p in points)), pa.string()),
        "metric": pa.array(list(chain.from_iterable(p.metrics for _, p in points)), pa.string()),
        "value": pa.array(list(chain.from_iterable(p.values for _, p in points)), pa.float64()),
    }
    insert(cursor, "metrics", pa.table(given))
    _update_latest(cursor, points)


_LATEST = """
MERGE INTO latest USING {new} AS new USING (run_id, split, metric)
WHEN MATCHED THEN UPDATE SET step = new.step, value = new.value
WHEN NOT MATCHED THEN INSERT (run_id, split, metric, step, value)
    VALUES (new.run_id, new.split, new.metric, new.step, new.value)
"""


def _update_latest(cursor: Connection, points: Sequence[tuple[int, Points]]) -> None:
    newest = {
        (run_id, split, metric): (step, value)
        for run_id, p in points
        for split, metric, step, value in zip(p.splits, p.metrics, p.steps, p.values, strict=True)
    }
    new, parameters = unnested(
        {
            "run_id": ("INTEGER", [key[0] for key in newest]),
            "split": ("VARCHAR", [key[1] for key in newest]),
            "metric": ("VARCHAR", [key[2] for key in newest]),
            "step": ("BIGINT", [step for step, _ in newest.values()]),
            "value": ("DOUBLE", [value for _, value in newest.values()]),
        }
    )
    cursor.execute(_LATEST.format(new=new), parameters)


def _insert_checkpoints(cursor: Connection, batches: Sequence[Batch]) -> None:
    rows = [(batch.run_id, line) for batch in batches for line in batch.checkpoints]
    for run_id, line in rows:
        if not line["kept"]:
            cursor.execute("DELETE FROM checkpoints WHERE run_id = ? AND NOT kept", [run_id])
        cursor.execute(
            "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)",
            [run_id, line["step"], line["file"], line["bytes"], line["sha256"], line["kept"]],
        )


_ADVANCE_JOURNALS = """
UPDATE journals SET byte_offset = new.byte_offset, lines = lines + n_lines,
    malformed = malformed + n_malformed,
    train_seconds = coalesce(new.train_seconds, journals.train_seconds)
FROM {new} AS new WHERE journals.run_id = new.run_id AND journals.attempt = new.attempt
"""
_ADVANCE_RUNS = """
UPDATE runs SET last_step = greatest(runs.last_step, new.last_step),
    train_seconds = coalesce(new.earlier_seconds + new.train_seconds, runs.train_seconds),
    steps_per_second = coalesce(new.steps_per_second, runs.steps_per_second),
    rss_bytes = coalesce(new.rss_bytes, runs.rss_bytes),
    device_bytes = coalesce(new.device_bytes, runs.device_bytes),
    threads = coalesce(new.threads, runs.threads),
    majority = coalesce(new.majority, runs.majority)
FROM {new} AS new WHERE runs.run_id = new.run_id
"""
_COLUMNS = {
    "run_id": "INTEGER",
    "attempt": "INTEGER",
    "byte_offset": "BIGINT",
    "n_lines": "BIGINT",
    "n_malformed": "BIGINT",
    "last_step": "BIGINT",
    "earlier_seconds": "DOUBLE",
    "train_seconds": "DOUBLE",
    "steps_per_second": "DOUBLE",
    "rss_bytes": "BIGINT",
    "device_bytes": "BIGINT",
    "threads": "INTEGER",
    "majority": "DOUBLE",
}


def _advance(cursor: Connection, batches: Sequence[Batch]) -> None:
    new, parameters = unnested(
        {
            name: (sql_type, [getattr(batch, name) for batch in batches])
            for name, sql_type in _COLUMNS.items()
        }
    )
    cursor.execute(_ADVANCE_JOURNALS.format(new=new), parameters)
    cursor.execute(_ADVANCE_RUNS.format(new=new), parameters)
    for batch in batches:
        if batch.device is not None:
            cursor.execute(
                "UPDATE runs SET device = ?, state_reason = CASE WHEN state IN ('queued',"
                " 'starting') THEN '' ELSE state_reason END, state = CASE WHEN state IN ('queued',"
                " 'starting') THEN 'running' ELSE state END WHERE run_id = ?",
                [batch.device, batch.run_id],
            )
        if batch.ended is not None:
            cursor.execute(
                "UPDATE runs SET state = ?, state_reason = ?, finished_at = ? WHERE run_id = ?",
                [
                    ENDINGS[batch.ended],
                    batch.message,
                    None if batch.ended == "returned" else batch.ended_at,
                    batch.run_id,
                ],
            )


def _together(earlier: Ingested | None, batch: Batch) -> Ingested:
    before = earlier or Ingested()
    return Ingested(
        lines=before.lines + batch.n_lines,
        malformed=before.malformed + batch.n_malformed,
        last_step=max(before.last_step, batch.last_step),
        ended=batch.ended or before.ended,
        message=batch.message or before.message,
        acks=before.acks + tuple(batch.acks),
    )
