"""How a lab gets its database back from the folders of its runs."""

import json
import time
from pathlib import Path

from engine.home import RunFolder
from engine.store.about import About, read_about
from engine.store.database import Database
from engine.store.events import insert_events
from engine.store.ingest import Ingest
from engine.store.markers import Markers
from engine.store.rows import now
from engine.store.runs import create_run


def move_aside(path: Path) -> Path:
    """Rename a database that cannot be opened, and its log; returns the new name."""
    aside = path.with_name(f"{path.name}.unreadable-{time.time_ns()}")
    path.rename(aside)
    if _log(path).exists():
        _log(path).rename(_log(aside))
    return aside


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def restore(path: Path, runs_folder: Path) -> None:
    """Make the database at `path`, which is not there, from the folders of the runs.

    It gets its name when it is complete, so that one that was interrupted is made again.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    for file in (unfinished, _log(unfinished), _log(path)):
        file.unlink(missing_ok=True)
    database = Database(unfinished)
    try:
        rebuild(database, Ingest(database, Markers()), runs_folder)
    finally:
        database.close()
    if _log(unfinished).exists():
        _log(unfinished).rename(_log(path))
    unfinished.rename(path)


def rebuild(database: Database, ingest: Ingest, runs_folder: Path) -> list[int]:
    """Fill an empty database from every run's journals; returns the runs, in order.

    What people wrote comes from `about.json`.
    A run whose last attempt has no end is `running` until somebody looks for its worker.
    """
    numbers = sorted(int(entry.name) for entry in runs_folder.glob("*") if entry.name.isdecimal())
    folders = {run_id: RunFolder(runs_folder / str(run_id)) for run_id in numbers}
    found = {run_id: about for run_id in numbers if (about := read_about(folders[run_id]))}
    for run_id, about in found.items():
        _create(database, run_id, about)
        _read_journals(database, ingest, run_id, folders[run_id])
        _pin(database, run_id, about)
    return list(found)


def _create(database: Database, run_id: int, about: About) -> None:
    with database.writing() as cursor:
        create_run(
            cursor,
            name=about.name,
            config=about.config,
            sweep_id=about.sweep_id,
            parent=(about.parent_run, about.parent_step),
            tags=about.tags,
            notes=about.notes,
            code_version=about.code_version,
            run_id=run_id,
            created=about.created and about.created.replace(tzinfo=None),
        )
        if about.parent_run is not None:
            payload = {"run": about.parent_run, "step": about.parent_step}
            insert_events(cursor, [(run_id, about.parent_step or 0, "forked", payload, now())])


def _pin(database: Database, run_id: int, about: About) -> None:
    """After the journals: a later attempt forgets what lies past its start, notes too."""
    notes = [
        (run_id, note.step, "note", {"text": note.text}, note.at.replace(tzinfo=None))
        for note in about.pinned
    ]
    with database.writing() as cursor:
        insert_events(cursor, notes)


def _read_journals(database: Database, ingest: Ingest, run_id: int, folder: RunFolder) -> None:
    for attempt in range(1, folder.last_attempt() + 1):
        from_step = _from_step(folder.journal(attempt))
        with database.writing() as cursor:
            ingest.begin_attempt(cursor, run_id, attempt=attempt, from_step=from_step)
            cursor.execute("UPDATE runs SET state = 'starting' WHERE run_id = ?", [run_id])
            if attempt > 1:
                payload = {"attempt": attempt}
                insert_events(cursor, [(run_id, from_step, "resumed", payload, now())])
        ingest.many([run_id], lambda _: folder.path)


def _from_step(journal: Path) -> int:
    try:
        with journal.open("rb") as file:
            return max(0, int(json.loads(file.readline())["from_step"]))
    except (OSError, ValueError, KeyError, TypeError):
        return 0
