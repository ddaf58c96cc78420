"""How journals become rows: new lines, and how far they were read, in one transaction."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from engine.store.batch import ENDINGS, Batch
from engine.store.database import Connection, Database
from engine.store.events import insert_events, malformed_events
from engine.store.markers import Markers
from engine.store.reading import Position, read_batch
from engine.store.rows import insert, with_table
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

    def forget(self, run_id: int) -> None:
        """Read the run's position from the database the next time."""
        self._positions.pop(run_id, None)

    def many(
        self, run_ids: Iterable[int], folder_of: Callable[[int], Path]
    ) -> dict[int, Ingested]:
        """Take in all that the journals of these runs hold; a run with no new line is left out."""
        told: dict[int, Ingested] = {}
        waiting = list(run_ids)
        while waiting:
            batches = self._read(waiting, folder_of)
            if batches:
                self._store(batches, folder_of)
            for batch in batches:
                told[batch.run_id] = _together(told.get(batch.run_id), batch)
            waiting = [batch.run_id for batch in batches]
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
            self._positions[batch.run_id] = Position(batch.attempt, batch.from_step, batch.offset)
            if batch.ended is not None:
                self._markers.forget(batch.run_id)


def _positions(cursor: Connection, run_ids: Sequence[int]) -> dict[int, Position]:
    rows = cursor.execute(
        """
        SELECT run_id, max(attempt), arg_max(from_step, attempt), arg_max(byte_offset, attempt)
        FROM journals WHERE list_contains(?, run_id) GROUP BY run_id
        """,
        [list(run_ids)],
    ).fetchall()
    return {run_id: Position(*rest) for run_id, *rest in rows}


def _insert_evaluations(cursor: Connection, batches: Sequence[Batch]) -> None:
    rows = [
        (batch.run_id, step, split, metric, value)
        for batch in batches
        for step, values in batch.evaluations
        for split, metrics in values.items()
        for metric, value in metrics.items()
    ]
    if not rows:
        return
    run_ids, steps, splits, metrics, values = zip(*rows, strict=True)
    given = {
        "run_id": pa.array(run_ids, pa.int32()),
        "step": pa.array(steps, pa.int64()),
        "split": pa.array(splits, pa.string()),
        "metric": pa.array(metrics, pa.string()),
        "value": pa.array(values, pa.float64()),
    }
    insert(cursor, "metrics", given)
    newest = {(row[0], row[2], row[3]): row for row in rows}
    _update_latest(cursor, list(newest.values()))


def _update_latest(cursor: Connection, rows: Sequence[tuple[int, int, str, str, float]]) -> None:
    run_ids, steps, splits, metrics, values = zip(*rows, strict=True)
    given = pa.table(
        {
            "run_id": pa.array(run_ids, pa.int32()),
            "split": pa.array(splits, pa.string()),
            "metric": pa.array(metrics, pa.string()),
            "step": pa.array(steps, pa.int64()),
            "value": pa.array(values, pa.float64()),
        }
    )
    with_table(
        cursor,
        """
        MERGE INTO latest USING given USING (run_id, split, metric)
        WHEN MATCHED THEN UPDATE SET step = given.step, value = given.value
        WHEN NOT MATCHED THEN INSERT
        """,
        given,
    )


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
UPDATE journals SET byte_offset = given.byte_offset, lines = journals.lines + given.n_lines,
    malformed = journals.malformed + given.n_malformed,
    train_seconds = coalesce(given.train_seconds, journals.train_seconds)
FROM given WHERE journals.run_id = given.run_id AND journals.attempt = given.attempt
"""

_ADVANCE_RUNS = """
UPDATE runs SET last_step = greatest(runs.last_step, given.last_step),
    device = coalesce(given.device, runs.device),
    steps_per_second = coalesce(given.steps_per_second, runs.steps_per_second),
    rss_bytes = coalesce(given.rss_bytes, runs.rss_bytes),
    device_bytes = coalesce(given.device_bytes, runs.device_bytes),
    train_seconds = CASE WHEN given.train_seconds IS NULL THEN runs.train_seconds ELSE
        (SELECT sum(train_seconds) FROM journals WHERE journals.run_id = runs.run_id) END,
    finished_at = coalesce(given.ended_at, runs.finished_at),
    state_reason = CASE WHEN given.state IS NOT NULL THEN given.message
        WHEN given.started AND runs.state IN ('queued', 'starting') THEN ''
        ELSE state_reason END,
    state = CASE WHEN given.state IS NOT NULL THEN given.state
        WHEN given.started AND runs.state IN ('queued', 'starting') THEN 'running'
        ELSE runs.state END
FROM given WHERE runs.run_id = given.run_id
"""


def _advance(cursor: Connection, batches: Sequence[Batch]) -> None:
    def column(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([getattr(batch, name) for batch in batches], kind)

    given = pa.table(
        {
            "run_id": column("run_id", pa.int32()),
            "attempt": column("attempt", pa.int32()),
            "byte_offset": column("offset", pa.int64()),
            "n_lines": column("n_lines", pa.int64()),
            "n_malformed": column("n_malformed", pa.int64()),
            "last_step": column("last_step", pa.int64()),
            "device": column("device", pa.string()),
            "started": column("started", pa.bool_()),
            "train_seconds": column("train_seconds", pa.float64()),
            "steps_per_second": column("steps_per_second", pa.float64()),
            "rss_bytes": column("rss_bytes", pa.int64()),
            "device_bytes": column("device_bytes", pa.int64()),
            "state": pa.array([ENDINGS.get(b.ended or "") for b in batches], pa.string()),
            "ended_at": column("ended_at", pa.timestamp("us")),
            "message": column("message", pa.string()),
        }
    )
    with_table(cursor, _ADVANCE_JOURNALS, given)
    with_table(cursor, _ADVANCE_RUNS, given)


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
