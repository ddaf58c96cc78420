"""What becomes of the rows when the process, the disk or the database file gives out."""

import contextlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine import journal
from engine.errors import StoreUnavailable
from engine.store import Store
from tests.engine.store.ingesting import start_ingesting
from tests.engine.store.writing import CONFIG, Recorded, evaluation, kinds, steps

pytestmark = pytest.mark.long

Record = Callable[..., Recorded]
KILLS = 50


def test_killing_the_ingesting_process_at_random_loses_and_doubles_nothing(
    store: Store, path: Path, record: Record
):
    runs = [record(), record()]
    ids = [run.run_id for run in runs]
    store.close()
    chance = random.Random(0)
    n_lines, rest = 0, {run.run_id: b"" for run in runs}
    for _ in range(KILLS):
        process = start_ingesting(path, ids)
        until = time.monotonic() + chance.uniform(0.0, 0.3)
        while time.monotonic() < until:
            lines = b"".join(evaluation(n_lines + i) for i in range(2))
            n_lines += 2
            for run in runs:  # each write ends in the middle of a line
                content = rest[run.run_id] + lines
                cut = len(content) - chance.randrange(1, 50)
                run.write(content[:cut])
                rest[run.run_id] = content[cut:]
            time.sleep(0.005)
        process.kill()
        process.join()
    store = Store(path)
    assert max(len(steps(store, run_id)) for run_id in ids) > 0
    store.close()
    for run in runs:
        run.write(rest[run.run_id])
    store = Store(path)
    store.ingest_many(ids, path.parent / "runs")
    assert [steps(store, run_id) for run_id in ids] == [list(range(n_lines))] * 2
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own; called again, it has another size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def size(wanted: str) -> Path:
        again = "remount," if os.path.ismount(folder) else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{again}size={wanted}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"run the tests as root, with CAP_SYS_ADMIN, to mount: {done.stderr}")
        return folder

    yield size
    if os.path.ismount(folder):
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def cramped(small_disk: Callable[[str], Path], record: Record) -> tuple[Store, Recorded]:
    """A database on a disk of a megabyte, and a run whose journal lies on a large one."""
    run = record()
    store = Store(small_disk("1m") / "lab.duckdb")
    assert store.create_run(name="cramped", config=CONFIG) == run.run_id
    store.begin_attempt(run.run_id, 1, 0)
    return store, run


def test_a_full_disk_loses_and_doubles_nothing_once_there_is_room(
    cramped: tuple[Store, Recorded], small_disk: Callable[[str], Path]
):
    store, run = cramped
    n_lines = refusals = 0
    while refusals < 5:
        run.evaluations(*range(n_lines, n_lines + 500))
        n_lines += 500
        try:
            store.ingest(run.run_id, run.folder.path)
        except StoreUnavailable:
            refusals += 1
    assert len(store.runs()) == 1
    small_disk("100m")
    store.ingest(run.run_id, run.folder.path)
    assert steps(store, run.run_id) == list(range(n_lines))
    store.close()


def test_a_fatal_error_is_recovered_from_while_the_disk_is_still_full(
    cramped: tuple[Store, Recorded], small_disk: Callable[[str], Path]
):
    """DuckDB gives up its whole instance when it cannot write a checkpoint."""
    store, run = cramped
    run.evaluations(*range(500))
    store.ingest(run.run_id, run.folder.path)
    ballast = small_disk("1m") / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(StoreUnavailable, match="FATAL"):
        store.select("SELECT * FROM checkpoint()")
    assert steps(store, run.run_id) == list(range(500))
    run.evaluations(*range(500, 600))
    with contextlib.suppress(StoreUnavailable):
        store.ingest(run.run_id, run.folder.path)
    ballast.unlink()
    store.ingest(run.run_id, run.folder.path)
    assert steps(store, run.run_id) == list(range(600))
    store.close()


def notes_of(store: Store, run_id: int) -> list[dict[str, Any]]:
    return [event for event in store.events([run_id]) if event["kind"] == "note"]


def test_a_database_that_cannot_be_opened_is_set_aside_and_rebuilt(
    store: Store, path: Path, record: Record
):
    run = record(name="named <b>", tags=["kept"], notes="long thoughts", sweep_id="sweep")
    for step in range(0, 500, 10):
        run.write(evaluation(step, test=0.01 if step < 300 else 1.0))
    run.end(500, "paused", train_seconds=1.0)
    store.begin_attempt(run.run_id, 2, 400)
    run.attempt = 2
    run.write(
        journal.start_line(attempt=2, from_step=400, pid=1, device="cpu", threads=1, versions={})
    )
    for step in range(400, 700, 10):
        run.write(evaluation(step, test=1.0))
    run.end(700, train_seconds=2.0)
    waiting = store.create_run(name="waiting", config=CONFIG)
    store.ingest(run.run_id, run.folder.path)
    store.add_event(run.run_id, 650, "note", {"text": "here it <i>turns</i>"})
    before = store.runs()
    (note,) = notes_of(store, run.run_id)
    seen = steps(store, run.run_id)
    store.close()

    path.write_bytes(b"this was a database" * 1000)
    again = Store(path)
    after = again.runs()
    told = ("thresholds", "onset_step", "memorised_step", "grokked_step", "name", "tags", "notes")
    told += ("sweep_id", "created", "state", "last_step", "attempt", "train_seconds", "config")
    for old, new in zip(before, after, strict=True):
        assert {key: old[key] for key in told} == {key: new[key] for key in told}
    assert steps(again, run.run_id) == seen == list(range(0, 700, 10))
    assert again.create_run(name="next", config=CONFIG) == waiting + 1
    assert "resumed" in kinds(again, run.run_id)
    assert notes_of(again, run.run_id) == [note]
    again.close()
    assert len(list(path.parent.glob("lab.duckdb.unreadable-*"))) == 1


def test_a_database_that_somebody_else_holds_is_left_alone(path: Path, store: Store):
    run_id = store.create_run(name="a", config=CONFIG)
    store.close()
    holder = start_ingesting(path, [])
    with pytest.raises(StoreUnavailable, match="lock"):
        Store(path)
    holder.kill()
    holder.join()
    again = Store(path)
    assert [row["run_id"] for row in again.runs()] == [run_id]
    again.close()
    assert list(path.parent.glob("*unreadable*")) == []


def test_a_deleted_run_does_not_come_back_from_its_folder(
    store: Store, path: Path, record: Record
):
    gone, kept = record(), record()
    store.delete_run(gone.run_id)
    store.close()
    path.unlink()
    path.write_bytes(b"no database")
    again = Store(path)
    assert [row["run_id"] for row in again.runs()] == [kept.run_id]
    again.close()


def test_a_closed_store_says_so(path: Path):
    store = Store(path)
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.runs()


def test_readers_and_a_writer_do_not_disturb_one_another(store: Store, record: Record):
    run = record()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            rows = store.rows_after({run.run_id: 10}, metrics=["loss"])
            assert rows.num_rows % 2 == 0  # both splits of an evaluation, or neither
            store.curves([run.run_id], metrics=["loss"])
            store.runs()

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for step in range(60):
                run.evaluations(step)
                store.ingest(run.run_id, run.folder.path)
        finally:
            stop.set()
        for reader in readers:
            reader.result()
    assert steps(store, run.run_id) == list(range(60))
