"""A process that does nothing but ingest, to be killed at any moment."""

import multiprocessing
import time
from pathlib import Path

from engine.store import Store

READY = "ready"

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["engine.store"])


def ingest_for_ever(path: Path, run_ids: list[int]) -> None:
    store = Store(path)
    path.with_name(READY).touch()
    while True:
        store.ingest_many(run_ids, path.parent / "runs")
        time.sleep(0.002)


def start_ingesting(path: Path, run_ids: list[int]) -> multiprocessing.process.BaseProcess:
    """A process that has opened the database."""
    process = _context.Process(target=ingest_for_ever, args=(path, run_ids))
    ready = path.with_name(READY)
    ready.unlink(missing_ok=True)
    process.start()
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process
