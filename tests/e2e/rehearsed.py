"""Runs that train nothing and yet live: long recorded curves, journals that grow on demand."""

import json
import os
import threading
import time
from types import TracebackType

import numpy as np
import pyarrow as pa
from safetensors.numpy import save_file

from engine import journal
from engine.config import RunConfig, apply
from engine.home import Home
from engine.store import Store
from engine.store.database import Database
from engine.store.rows import insert
from engine.worker.lock import RunLock

SERIES = tuple((split, metric) for split in ("train", "test") for metric in ("accuracy", "loss"))
BLOCK = 50_000
SPIKE = 9.0
PULSE_SECONDS = 0.1


class Rehearsed:
    """`runs` seeds of one launch in a fresh home, each evaluated at every step so far.

    This process holds their locks, so that a daemon takes them for alive. Train loss jumps to
    `SPIKE` for the one step `spike`.
    """

    def __init__(self, home: Home, *, runs: int, evaluations: int, spike: int = 0) -> None:
        self.home, self.step = home.create(), evaluations
        self._locks: list[RunLock] = []
        store = Store(home.database)
        self.runs = [self._begin(store, seed) for seed in range(runs)]
        store.close()
        database = Database(home.database)
        with database.writing() as cursor:
            for run in self.runs:
                for low in range(1, evaluations + 1, BLOCK):
                    steps = np.arange(low, min(low + BLOCK, evaluations + 1))
                    insert(cursor, "metrics", _rows(run, steps, spike=spike, of=evaluations))
            cursor.execute("UPDATE runs SET last_step = ?", [evaluations])
            cursor.execute(
                "INSERT INTO latest SELECT run_id, split, metric, max(step), arg_max(value, step)"
                " FROM metrics GROUP BY ALL"
            )
        database.close()

    def _begin(self, store: Store, seed: int) -> int:
        settings = {"training.seed": seed, "training.steps": 10_000_000}
        config = apply(RunConfig(), settings).model_dump(mode="json")
        run = store.create_run(name="rehearsed", config=config, sweep_id="rehearsed")
        folder = self.home.run(run).create()
        launch = {"attempt": 1, "from": None, "device": "cpu", "threads": 1, "gpu": None}
        folder.launch.write_text(json.dumps(launch))
        self._locks.append(RunLock(folder.lock))
        store.begin_attempt(run, 1, 0)
        folder.journal(1).write_bytes(
            journal.start_line(
                attempt=1, from_step=0, pid=os.getpid(), device="cpu", threads=1, versions={}
            )
        )
        self._snapshot(run, 1)
        store.set_state(run, "running")
        return run

    def evaluate(self, evaluations: int = 1) -> tuple[int, float]:
        """Evaluate every run at the next steps; the last step and when its lines were written."""
        steps = range(self.step + 1, self.step + evaluations + 1)
        for run in self.runs:
            rest = 0.002 + 0.0001 * (run + self.step % 7)
            high = {"accuracy": 1.0, "loss": rest}
            lines = [journal.metrics_line(step, {"train": high, "test": high}) for step in steps]
            with self.home.run(run).journal(1).open("ab") as file:
                file.writelines(lines)
        self.step += evaluations
        return self.step, time.time()

    def snapshot(self) -> None:
        """Photograph the attention of every run at the present step, and tell of its rate."""
        for run in self.runs:
            self._snapshot(run, self.step)

    def _snapshot(self, run: int, step: int) -> None:
        folder = self.home.run(run)
        name = f"snapshots/attention-{step:09d}.safetensors"
        heads = np.random.default_rng(step).dirichlet(np.ones(3), size=(4, 3)).astype(np.float32)
        save_file({"layer0": heads}, folder.path / name)
        with folder.journal(1).open("ab") as file:
            file.write(journal.snapshot_line(step, "attention", name))
            file.write(
                journal.system_line(
                    step,
                    steps_per_second=100 + step % 7,
                    train_seconds=step / 100,
                    rss_bytes=300_000_000,
                    device_bytes=0,
                    threads=1,
                )
            )

    def close(self) -> None:
        """Let the runs die."""
        for lock in self._locks:
            lock.release()


class Growing:
    """Within it every run is evaluated `a_second` times a second, and photographed every 5 s."""

    def __init__(self, runs: Rehearsed, *, a_second: int) -> None:
        self._runs, self._each = runs, round(a_second * PULSE_SECONDS)
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._grow, daemon=True)

    def _grow(self) -> None:
        pulses = 0
        while not self._enough.wait(PULSE_SECONDS):
            self._runs.evaluate(self._each)
            pulses += 1
            if pulses % 50 == 0:
                self._runs.snapshot()

    def __enter__(self) -> "Growing":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._enough.set()
        self._thread.join()


def _rows(run: int, steps: np.ndarray, *, spike: int, of: int) -> pa.Table:
    """A grokking run: train rises at step 100, test at a third of the way, noise on both."""
    noise = np.random.default_rng([run, int(steps[0])]).random((2, len(steps)))
    columns: list[np.ndarray] = []
    for split, middle in enumerate((100, of / 3)):
        accuracy = 1 / (1 + np.exp(-8 * (np.log(steps) - np.log(middle))))
        loss = 5 * (1 - accuracy) + 0.002 * (1 + noise[split])
        if spike and split == 0:
            loss[steps == spike] = SPIKE
        columns += [accuracy, loss]
    n = len(SERIES)
    splits, metrics = zip(*SERIES, strict=True)
    return pa.table(
        {
            "run_id": pa.array(np.full(n * len(steps), run), pa.int32()),
            "step": pa.array(np.repeat(steps, n), pa.int64()),
            "split": pa.array(splits * len(steps)),
            "metric": pa.array(metrics * len(steps)),
            "value": pa.array(np.stack(columns, 1).ravel()),
        }
    )
