"""A supervisor with its store and real workers, ticking inside the test."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.config import RunConfig, apply
from engine.daemon.memory import Room
from engine.daemon.scheduler import Machine
from engine.daemon.supervisor import Supervisor
from engine.home import Home
from engine.store import Store
from tests.processes import step_aside, worker_pids

TINY = {
    "task.p": 11,
    "model.d_model": 16,
    "model.n_heads": 2,
    "model.d_mlp": 32,
    "training.eval_every": 20,
    "training.compile": "never",
}
ENDLESS = 10_000_000
Row = dict[str, Any]


class Ward:
    def __init__(
        self, home: Home, *, n_cores: int = 2, room: Callable[[], Room] | None = None
    ) -> None:
        self.home = home.create()
        self.machine = Machine(n_cores=n_cores, n_gpus=0)
        self.store = Store(home.database)
        self._supervisors = [Supervisor(self.home, self.store, self.machine, room)]

    @property
    def supervisor(self) -> Supervisor:
        return self._supervisors[-1]

    def restart(self) -> None:
        """As if the daemon had been replaced; workers are left alone."""
        self._supervisors.append(Supervisor(self.home, self.store, self.machine))

    def close(self) -> None:
        """Kill what runs and wait until every supervisor has reaped its children."""
        for run in self.supervisor.slots()["queued"]:
            self.supervisor.stop(run)
        self.kill_workers()
        deadline = time.monotonic() + 20
        for supervisor in self._supervisors:
            while supervisor.slots()["busy"]:
                assert time.monotonic() < deadline, "a worker is left"
                supervisor.tick({})
                time.sleep(0.05)
        self.store.close()

    def launch(
        self, *seeds: int, steps: int = ENDLESS, settings: Mapping[str, Any] | None = None
    ) -> list[int]:
        changes = TINY | {"training.steps": steps} | dict(settings or {})
        configs = [apply(RunConfig(), changes | {"training.seed": seed}) for seed in seeds or (0,)]
        trees = [config.model_dump(mode="json") for config in configs]
        return self.supervisor.launch(trees, name="tiny", tags=(), notes="")

    def tick(self) -> None:
        supervisor = self.supervisor
        supervisor.tick(self.store.ingest_many(supervisor.active(), self.home.runs))

    def until(self, condition: Callable[[], bool], seconds: float = 40.0) -> float:
        """Tick until something holds; the seconds that it took."""
        started = time.monotonic()
        while not condition():
            assert time.monotonic() - started < seconds, self.store.runs()
            self.tick()
            time.sleep(0.05)
        return time.monotonic() - started

    def row(self, run: int) -> Row:
        return self.store.runs([run])[0]

    def state(self, run: int) -> str:
        return self.row(run)["state"]

    def until_state(self, run: int, *states: str) -> float:
        return self.until(lambda: self.state(run) in states)

    def until_step(self, run: int, step: int, seconds: float = 40.0) -> None:
        self.until(lambda: self.row(run)["last_step"] >= step, seconds)
        step_aside(self.home)

    def workers(self) -> list[int]:
        return worker_pids(self.home)

    def kill_workers(self) -> None:
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)

    def metrics(self, run: int) -> list[Any]:
        table = self.store.select(
            "SELECT step, split, metric, value FROM metrics"
            f" WHERE run_id = {run} ORDER BY step, split, metric",
            limit=1_000_000,
        )
        return table.to_pylist()

    def kinds(self, run: int) -> list[str]:
        return [event["kind"] for event in self.store.events([run])]
