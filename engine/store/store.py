"""What is recorded of all runs: the one object behind which DuckDB and SQL are."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.home import RunFolder
from engine.measures.onset import Thresholds
from engine.store import curves, events, export, runs, select, snapshots
from engine.store.about import remove_about, write_about
from engine.store.database import Database, UnreadableDatabase
from engine.store.ingest import Ingest, Ingested
from engine.store.markers import Markers
from engine.store.rebuild import move_aside, restore
from engine.store.rows import Row, fetch

log = logging.getLogger(__name__)


class Store:
    """The database of one lab; safe to share between threads.

    Writes happen one at a time, reads wait for nobody. Steps are optimiser updates, times are
    UTC. Every method may raise `StoreUnavailable` (a full disk, for example); what was ingested
    before then stays, and the next call goes on from there.
    """

    def __init__(self, path: Path) -> None:
        self._runs_folder = path.parent / "runs"
        self._markers = Markers()
        if not path.exists() and any(self._runs_folder.glob("*")):
            log.warning("%s is missing and is rebuilt from the journals", path.name)
            restore(path, self._runs_folder)
        try:
            self._database = Database(path)
        except UnreadableDatabase as error:
            aside = move_aside(path)
            log.warning("%s; it is now %s, and is rebuilt from the journals", error, aside.name)
            restore(path, self._runs_folder)
            self._database = Database(path)
        self._ingest = Ingest(self._database, self._markers)

    # runs

    def create_run(
        self,
        *,
        name: str,
        config: Mapping[str, Any],
        sweep_id: str | None = None,
        parent_run: int | None = None,
        parent_step: int | None = None,
        tags: Sequence[str] = (),
        notes: str = "",
        code_version: str = "",
    ) -> int:
        """Add a queued run; returns its number, which no other run ever had."""
        with self._database.writing() as cursor:
            run_id = runs.create_run(
                cursor,
                name=name,
                config=config,
                sweep_id=sweep_id,
                parent=(parent_run, parent_step),
                tags=tags,
                notes=notes,
                code_version=code_version,
            )
        self._write_about(run_id)
        return run_id

    def set_state(self, run_id: int, state: str, reason: str = "") -> None:
        """Change a run's state; the reason is in words. Raises RunNotFound."""
        with self._database.writing() as cursor:
            runs.set_state(cursor, run_id, state, reason=reason)

    def update_run(
        self,
        run_id: int,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Change what is given. Raises RunNotFound, and SettingsError for texts too long."""
        with self._database.writing() as cursor:
            runs.update_run(cursor, run_id, name=name, tags=tags, notes=notes, config=config)
        self._write_about(run_id)

    def delete_run(self, run_id: int) -> None:
        """Remove a run and everything recorded of it. Raises RunNotFound."""
        with self._database.writing() as cursor:
            runs.delete_run(cursor, run_id)
            self._ingest.forget(run_id)
            self._markers.forget(run_id)
        remove_about(self._folder(run_id))

    def runs(self, run_ids: Sequence[int] | None = None) -> list[Row]:
        """Runs by number: columns of the table, latest values, markers and phase."""
        return runs.list_runs(self._database, run_ids)

    def queued(self) -> list[Row]:
        """Runs that wait for a slot, oldest first."""
        return runs.queued_runs(self._database)

    # recording

    def begin_attempt(self, run_id: int, attempt: int, from_step: int) -> None:
        """Forget what lies past `from_step` and turn to the journal of `attempt`.

        What is left of the earlier attempt's journal is ingested first. Raises RunNotFound.
        """
        self.ingest(run_id, self._folder(run_id).path)
        with self._database.writing() as cursor:
            runs.require_run(cursor, run_id)
            self._ingest.begin_attempt(cursor, run_id, attempt=attempt, from_step=from_step)

    def ingest(self, run_id: int, folder: Path) -> Ingested:
        """Store every line that the run's journal has beyond what is stored."""
        return self._ingest.many([run_id], lambda _: folder).get(run_id, Ingested())

    def ingest_many(self, run_ids: Iterable[int], runs_folder: Path) -> dict[int, Ingested]:
        """The same for many runs, in one transaction; runs with nothing new are left out."""
        return self._ingest.many(run_ids, lambda run_id: runs_folder / str(run_id))

    def redetect(self, run_ids: Sequence[int], thresholds: Mapping[str, Any] | Thresholds) -> None:
        """Run the onset detector again on stored curves, and keep these thresholds for the runs.

        Raises:
            RunNotFound: no run has this number.
            SettingsError: a threshold is unknown or out of range.
        """
        if not isinstance(thresholds, Thresholds):
            thresholds = Thresholds.parse(thresholds)
        with self._database.writing() as cursor:
            for run_id in run_ids:
                runs.require_run(cursor, run_id)
                cursor.execute(
                    "UPDATE runs SET thresholds = ? WHERE run_id = ?",
                    [json.dumps(thresholds.model_dump(exclude_defaults=True)), run_id],
                )
                self._markers.refold(cursor, run_id)
                self._markers.forget(run_id)

    # what is recorded

    def curves(
        self,
        run_ids: Sequence[int],
        *,
        metrics: Sequence[str] = ("accuracy", "loss"),
        splits: Sequence[str] | None = None,
        lo: int = 1,
        hi: int | None = None,
        buckets: int = 400,
        log: bool = True,
    ) -> pa.Table:
        """(run_id, split, metric, step, value): extremes of each bucket, first and last point."""
        return curves.curves(
            self._database,
            run_ids,
            metrics=metrics,
            splits=splits,
            lo=lo,
            hi=hi,
            buckets=buckets,
            log=log,
        )

    def rows_after(
        self, cursors: Mapping[int, int], *, metrics: Sequence[str] = ("accuracy", "loss")
    ) -> pa.Table:
        """(run_id, split, metric, step, value) of each run past the step given for it."""
        return curves.rows_after(self._database, cursors, metrics=metrics)

    def add_event(
        self, run_id: int, step: int, kind: str, payload: Mapping[str, Any] | None = None
    ) -> None:
        """Write down that something happened at a step."""
        events.add_event(self._database, run_id, step, kind=kind, payload=payload or {})
        if kind == "note":
            self._write_about(run_id)

    def events(self, run_ids: Sequence[int]) -> list[Row]:
        """Events of these runs by step; `payload` is a dictionary."""
        return events.events_of(self._database, run_ids)

    def snapshot_steps(
        self, run_ids: Sequence[int], kind: str = "attention"
    ) -> dict[int, list[int]]:
        """For each run the steps at which it has a snapshot of this kind, ascending."""
        return snapshots.snapshot_steps(self._database, run_ids, kind)

    def snapshot(self, run_id: int, kind: str, step: int) -> pa.Table:
        """(layer, head, shape, data) of the snapshot nearest before `step`."""
        return snapshots.snapshot(self._database, run_id, kind, step=step)

    def checkpoints(self, run_id: int) -> list[Row]:
        """Checkpoints that are on disk, by step."""
        with self._database.reading() as cursor:
            return fetch(
                cursor, "SELECT * FROM checkpoints WHERE run_id = ? ORDER BY step", [run_id]
            )

    def select(self, sql: str, *, limit: int = 10_000, timeout_seconds: float = 10.0) -> pa.Table:
        """The first `limit` rows of a single SELECT, or QueryRefused."""
        return select.select(self._database, sql, limit=limit, timeout_seconds=timeout_seconds)

    def export(self, run_ids: Sequence[int], file: Path) -> None:
        """Write all points of these runs to a .parquet, .csv or .json file."""
        export.export(self._database, run_ids, file)

    def version(self) -> int:
        """A number that grows with every commit, across restarts too."""
        return self._database.version

    def close(self) -> None:
        """Close the database; calls after this raise StoreUnavailable."""
        self._database.close()

    def _write_about(self, run_id: int) -> None:
        for row in self.runs([run_id]):
            write_about(self._folder(run_id), row, self.events([run_id]))

    def _folder(self, run_id: int) -> RunFolder:
        return RunFolder(self._runs_folder / str(run_id))
