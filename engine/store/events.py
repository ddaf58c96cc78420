"""What happened to runs, and at which step: told by journals and people, or found by detectors."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from engine.errors import SettingsError
from engine.store.batch import Batch
from engine.store.database import Connection, Database
from engine.store.rows import Row, fetch, insert, now

Event = tuple[int, int, str, dict[str, Any], datetime]
"""run, step, kind, payload, time"""

MOST_PAYLOAD_CHARACTERS = 20_000


def add_event(
    database: Database, run_id: int, step: int, *, kind: str, payload: Mapping[str, Any]
) -> None:
    """Write one event that nobody detected.

    Raises:
        SettingsError: the payload is larger than an event may be.
    """
    size = len(json.dumps(dict(payload)))
    if size > MOST_PAYLOAD_CHARACTERS:
        raise SettingsError(
            f"the payload of an event may have {MOST_PAYLOAD_CHARACTERS:,} characters,"
            f" got {size:,}; shorten the note"
        )
    with database.writing() as cursor:
        insert_events(cursor, [(run_id, step, kind, dict(payload), now())])


def insert_events(cursor: Connection, events: Sequence[Event]) -> None:
    """Append events that were told, not detected."""
    if not events:
        return
    run_ids, steps, kinds, payloads, times = zip(*events, strict=True)
    given = {
        "run_id": pa.array(run_ids, pa.int32()),
        "step": pa.array(steps, pa.int64()),
        "kind": pa.array(kinds, pa.string()),
        "detector": pa.array([""] * len(events), pa.string()),
        "payload": pa.array([json.dumps(payload) for payload in payloads], pa.string()),
        "at": pa.array(times, pa.timestamp("us")),
    }
    insert(cursor, "events", pa.table(given))


def malformed_events(batches: Sequence[Batch]) -> list[Event]:
    """One event for each journal that held lines nobody can read, or that shrank."""
    told: list[Event] = []
    for batch in batches:
        where = {"attempt": batch.attempt}
        if batch.n_malformed:
            payload = {**where, "lines": batch.n_malformed}
            told.append((batch.run_id, batch.last_step, "malformed_journal", payload, now()))
        if batch.cut_from is not None:
            payload = {**where, "stored_bytes": batch.cut_from, "bytes": batch.byte_offset}
            told.append((batch.run_id, batch.last_step, "journal_cut", payload, now()))
    return told


def events_of(database: Database, run_ids: Sequence[int]) -> list[Row]:
    """All events of these runs by step; `payload` is a dictionary."""
    with database.reading() as cursor:
        rows = fetch(
            cursor,
            'SELECT * FROM events WHERE list_contains(?, run_id) ORDER BY step, "at", run_id',
            [list(run_ids)],
        )
    return [{**row, "payload": json.loads(row["payload"])} for row in rows]
