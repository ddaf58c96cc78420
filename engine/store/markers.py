"""How the onset detector's markers get into `events`, and stay a function of the metrics there."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from data import is_held_out, is_memory
from engine.measures.onset import NAME, Marker, OnsetDetector, Thresholds
from engine.store.batch import Accuracies, Batch
from engine.store.database import Connection
from engine.store.rows import first, now

_ENDLESS = 2**62
_OURS = NAME.split("/", maxsplit=1)[0] + "/"


class Markers:
    """The onset detectors of the runs that are being recorded.

    A detector is a fold over a run's evaluations. It lives here while rows arrive; when it is
    not known (a restart, a failed transaction) it is folded from the stored rows again.
    """

    def __init__(self) -> None:
        self._detectors: dict[int, OnsetDetector] = {}
        self._written: dict[int, list[Marker]] = {}

    def forget(self, run_id: int) -> None:
        """Fold from the stored rows the next time."""
        self._detectors.pop(run_id, None)
        self._written.pop(run_id, None)

    def extend(self, cursor: Connection, batch: Batch) -> None:
        """Bring the run's markers up to date with rows that this transaction has inserted."""
        if not batch.accuracies:
            return
        detector = self._detectors.get(batch.run_id)
        if detector is None:
            self.refold(cursor, batch.run_id)
            return
        for evaluation in batch.accuracies:
            _feed(detector, evaluation)
        self._write(cursor, batch.run_id, detector)

    def refold(self, cursor: Connection, run_id: int) -> None:
        """Fold all stored rows of a run, and make its markers in `events` agree.

        A fork that goes on with the same examples goes on with what its parent had reached.
        """
        detector = _new_detector(cursor, run_id)
        for one, last_step in _lineage(cursor, run_id):
            for evaluation in _stored(cursor, one, last_step):
                _feed(detector, evaluation)
        self._detectors[run_id] = detector
        self._written.pop(run_id, None)
        self._write(cursor, run_id, detector)

    def _write(self, cursor: Connection, run_id: int, detector: OnsetDetector) -> None:
        markers = detector.markers()
        if markers == self._written.get(run_id):
            return
        wanted = {_as_row(marker): marker for marker in markers}
        stored = cursor.execute(
            "SELECT step, kind, detector, value, payload FROM events"
            " WHERE run_id = ? AND starts_with(detector, ?)",
            [run_id, _OURS],
        ).fetchall()
        for row in stored:
            if row not in wanted:
                cursor.execute(
                    "DELETE FROM events WHERE run_id = ? AND step = ? AND kind = ?"
                    " AND detector = ? AND value = ? AND payload = ?",
                    [run_id, *row],
                )
        for row in wanted:
            if row not in stored:
                cursor.execute(
                    'INSERT INTO events (run_id, step, kind, detector, value, payload, "at")'
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [run_id, *row, now()],
                )
        self._written[run_id] = markers


def stored_markers(rows: Sequence[dict[str, Any]]) -> list[Marker]:
    """The markers among rows of `events`, as the detector gave them (without its reasons)."""
    return [
        Marker(row["kind"], row["step"], json.loads(row["payload"])["split"], row["value"])
        for row in rows
        if row["detector"].startswith(_OURS)
    ]


def _as_row(marker: Marker) -> tuple[int, str, str, float, str]:
    payload = json.dumps({"split": marker.split, **dict(marker.why)})
    return marker.step, marker.kind, NAME, marker.value, payload


def _new_detector(cursor: Connection, run_id: int) -> OnsetDetector:
    row = first(cursor, "SELECT chance, thresholds FROM runs WHERE run_id = ?", [run_id])
    chance, thresholds = row or (None, None)
    return OnsetDetector(
        chance=chance or 0.0,
        thresholds=Thresholds.parse(json.loads(thresholds)) if thresholds else None,
    )


_FORKED = """
SELECT child.parent_run, child.parent_step
FROM runs AS child JOIN runs AS parent ON parent.run_id = child.parent_run
WHERE child.run_id = ? AND (child.config -> 'task') = (parent.config -> 'task')
    AND coalesce(child.config ->> '$.training.split_seed', child.config ->> '$.training.seed')
    = coalesce(parent.config ->> '$.training.split_seed', parent.config ->> '$.training.seed')
    AND coalesce(CAST(child.config ->> '$.training.label_noise' AS DOUBLE), 0)
    = coalesce(CAST(parent.config ->> '$.training.label_noise' AS DOUBLE), 0)
"""
"""The parent whose examples a fork goes on with: task, seed of the split and noise make them."""


_BEGIN = "SELECT min(step) FROM metrics WHERE run_id = ? AND metric = 'accuracy'"


def _lineage(cursor: Connection, run_id: int) -> list[tuple[int, int]]:
    """The run and those that it was forked from, oldest first, each with its last step in it.

    Where a fork was measured at the step that it was forked at, that takes the place of what its
    parent was there.
    """
    found: list[tuple[int, int]] = [(run_id, _ENDLESS)]
    while row := first(cursor, _FORKED, [found[0][0]]):
        child, last_step = found[0]
        parent, step = row
        begin = first(cursor, _BEGIN, [child])
        before = _ENDLESS if begin is None or begin[0] is None else begin[0] - 1
        found.insert(0, (parent, min(step, last_step, before)))
    return found


def _stored(cursor: Connection, run_id: int, last_step: int) -> Iterator[Accuracies]:
    rows = cursor.execute(
        "SELECT step, split, value FROM metrics WHERE run_id = ? AND metric = 'accuracy'"
        " AND step <= ? ORDER BY step",
        [run_id, last_step],
    )
    values: dict[str, float] = {}
    at: int | None = None
    while chunk := rows.fetchmany(10_000):
        for step, split, value in chunk:
            if at is not None and step != at:
                yield at, values
                values = {}
            at = step
            values[split] = value
    if at is not None:
        yield at, values


def _feed(detector: OnsetDetector, evaluation: Accuracies) -> None:
    step, accuracy = evaluation
    tests = {split: value for split, value in accuracy.items() if is_held_out(split)}
    probes = {split: value for split, value in accuracy.items() if is_memory(split)}
    detector.feed(step, accuracy.get("train"), tests, probes)
