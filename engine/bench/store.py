"""How long the store takes where a person waits for it: first curves, ticks, the list of runs."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from engine import journal
from engine.home import Home
from engine.store import Store
from engine.store.database import Database
from engine.store.rows import insert

RUNS, ROWS = 10, 1_000_000
LISTED = 1_000
LIVE, EVALUATIONS_A_SECOND = 8, 20
ROUNDS = 5
_SERIES = [(split, metric) for split in ("train", "test") for metric in ("accuracy", "loss")]
_CONFIG: dict[str, Any] = {"task": {"kind": "modular", "p": 97}, "training": {"seed": 0}}


def store() -> list[dict[str, Any]]:
    """One row a question: milliseconds at the median and at the worst, and of CPU time.

    On a machine that does nothing else, an answer takes between the CPU time and its half.
    """
    with tempfile.TemporaryDirectory() as folder:
        return [
            *_long_curves(Path(folder) / "long.duckdb"),
            *_many_runs(Path(folder) / "many.duckdb"),
            *_live(Home(Path(folder) / "live").create()),
        ]


def _long_curves(path: Path) -> list[dict[str, Any]]:
    """Ten runs of a million rows each, recorded side by side."""
    run_ids = _fill(path, runs=RUNS, rows=ROWS)
    opened = Store(path)
    last = ROWS // len(_SERIES)
    ask = {
        "first curves": lambda: opened.curves(run_ids, buckets=400),
        "first curves of one run": lambda: opened.curves(run_ids[:1], buckets=400),
        "zoom on a tenth": lambda: opened.curves(
            run_ids, lo=last // 2, hi=last * 6 // 10, buckets=400, log=False
        ),
        "tick with 50 new evaluations": lambda: opened.rows_after(
            dict.fromkeys(run_ids, last - 50)
        ),
        "tick with nothing new": lambda: opened.rows_after(dict.fromkeys(run_ids, last)),
    }
    rows = [_timed(f"{name}, {RUNS} × {ROWS:,} rows", question) for name, question in ask.items()]
    opened.close()
    return rows


def _many_runs(path: Path) -> list[dict[str, Any]]:
    _fill(path, runs=LISTED, rows=4 * len(_SERIES))
    opened = Store(path)
    rows = [
        _timed(f"list of {LISTED:,} runs", opened.runs),
        _timed(f"one run of {LISTED:,}", lambda: opened.runs([7])),
    ]
    opened.close()
    return rows


def _live(home: Home) -> list[dict[str, Any]]:
    """Ingestion of what eight runs write in a tenth of a second, and in an hour."""
    opened = Store(home.database)
    run_ids = [opened.create_run(name="live", config=_CONFIG) for _ in range(LIVE)]
    for run_id in run_ids:
        home.run(run_id).create()
        opened.begin_attempt(run_id, 1, 0)
    step = 0

    def tick(evaluations: int) -> None:
        nonlocal step
        for run_id in run_ids:
            with home.run(run_id).journal(1).open("ab") as file:
                file.writelines(_evaluation(step + k) for k in range(evaluations))
        step += evaluations

    def ingest() -> object:
        return opened.ingest_many(run_ids, home.runs)

    few, hour = EVALUATIONS_A_SECOND // 10, EVALUATIONS_A_SECOND * 3600
    rows = [
        _timed(f"ingest of {few} evaluations of {LIVE} runs", ingest, before=lambda: tick(few)),
        _timed(f"ingest of nothing new of {LIVE} runs", ingest),
        _timed(
            f"ingest of {hour:,} evaluations of {LIVE} runs",
            ingest,
            before=lambda: tick(hour),
            rounds=1,
        ),
    ]
    opened.close()
    return rows


def _fill(path: Path, *, runs: int, rows: int) -> list[int]:
    """A database with that many rows a run, in blocks that alternate between runs."""
    opened = Store(path)
    run_ids = [opened.create_run(name=f"run {i}", config=_CONFIG) for i in range(runs)]
    opened.close()
    database = Database(path)
    evaluations = rows // len(_SERIES)
    block = max(1, min(evaluations, 25_000))
    with database.writing() as cursor:
        for lo in range(1, evaluations + 1, block):
            for run_id in run_ids if block > 1_000 else [run_ids]:
                insert(cursor, "metrics", _points(np.atleast_1d(run_id), lo, block))
        cursor.execute("UPDATE runs SET last_step = ?", [evaluations])
        cursor.execute(
            "INSERT INTO latest SELECT run_id, split, metric, max(step), arg_max(value, step)"
            " FROM metrics GROUP BY ALL"
        )
    database.close()
    return run_ids


def _points(run_ids: np.ndarray, lo: int, evaluations: int) -> pa.Table:
    n_series = len(_SERIES)
    n = evaluations * n_series
    splits, metrics = zip(*_SERIES, strict=True)
    noise = np.random.default_rng(lo).normal(size=n * len(run_ids))
    columns = {
        "run_id": pa.array(np.repeat(run_ids, n), pa.int32()),
        "step": pa.array(
            np.tile(np.repeat(np.arange(lo, lo + evaluations), n_series), len(run_ids))
        ),
        "split": pa.array(splits * (evaluations * len(run_ids))),
        "metric": pa.array(metrics * (evaluations * len(run_ids))),
        "value": pa.array(noise),
    }
    return pa.table(columns)


def _evaluation(step: int) -> bytes:
    values = {"accuracy": 0.009 + 1e-5 * (step % 97), "loss": 5.0 + 1e-3 * (step % 89)}
    return journal.metrics_line(step, {"train": values, "test": values})


def _timed(
    question: str,
    ask: Callable[[], object],
    *,
    before: Callable[[], object] = lambda: None,
    rounds: int = ROUNDS,
) -> dict[str, Any]:
    taken: list[float] = []
    cpu = 0.0
    for _ in range(rounds):
        before()
        started, cpu_started = time.perf_counter(), time.process_time()
        ask()
        cpu += time.process_time() - cpu_started
        taken.append(1e3 * (time.perf_counter() - started))
    return {
        "question": question,
        "median_ms": round(median(taken), 1),
        "worst_ms": round(max(taken), 1),
        "cpu_ms": round(1e3 * cpu / rounds, 1),
    }
