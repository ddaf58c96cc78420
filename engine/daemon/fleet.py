"""Which workers live now, which runs they hold, and what they occupy."""

import os
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from engine.daemon.footprint import host_bytes_beside
from engine.daemon.memory import Room
from engine.daemon.processes import Standby, Worker, adopt, spawn
from engine.daemon.scheduler import Busy, Machine, Start
from engine.home import Home
from engine.worker.lock import is_held
from engine.worker.status import read_status

STANDBY = "GROKKING_LAB_STANDBY"
"""Names the environment variable that is 0 where nothing shall be made ready ahead of need."""
CALM_SECONDS = 5.0
"""A new standby does not compete with a worker that has only just started."""


class Fleet:
    """The workers of one home; those of an earlier daemon are adopted by their locks."""

    def __init__(self, home: Home, machine: Machine, measure: Callable[[], Room]) -> None:
        self._home = home
        self.machine = machine
        self.room = measure
        """Asks how much memory is free now."""
        self._workers: list[Worker] = []
        self._standby = Standby(home)
        self.stands_by = os.environ.get(STANDBY) != "0"
        """Whether anything is made ready that nobody has asked for."""
        self._started = -CALM_SECONDS

    @property
    def device(self) -> str:
        """Where a run trains that may train anywhere."""
        return "cuda" if self.machine.n_gpus else "cpu"

    def largest(self, device: str) -> int | None:
        """The most bytes that a worker could have on such a device, were it alone there."""
        return self._largest["cuda" if device == "cuda" else "cpu"]

    @cached_property
    def _largest(self) -> dict[str, int | None]:
        room = self.room()
        gpus = [each.most for each in room.gpus if each is not None]
        return {"cpu": room.host.most, "cuda": max(gpus, default=None)}

    def start(self, batch: Start) -> None:
        """Give a batch to the worker on standby, or to one that is spawned."""
        self._workers.append(self._standby.take(batch) or spawn(self._home, batch))
        self._started = time.monotonic()

    def stand_by(self) -> None:
        """Keep a worker ready while a slot is free; not while another is just starting."""
        if self.machine.has_room(self.busy()):
            if time.monotonic() - self._started > CALM_SECONDS:
                self._standby.prepare()
        else:
            self._standby.dismiss()

    def close(self) -> None:
        """End the worker on standby; those that train go on."""
        self._standby.dismiss()

    def reap(self) -> bool:
        """Forget workers that have ended; true when some have."""
        living = [worker for worker in self._workers if worker.lives(self._home)]
        ended = len(living) < len(self._workers)
        self._workers = living
        return ended

    def adopt(self, runs: Iterable[int]) -> None:
        """Take over the workers that hold the locks of these runs, one for each process."""
        for run in runs:
            if self.worker_of(run) is not None or not is_held(self._home.run(run).lock):
                continue
            stranger = adopt(self._home, run)
            for worker in self._workers:
                if stranger.identity is not None and worker.identity == stranger.identity:
                    worker.runs.append(run)
                    worker.seen.add(run)
                    break
            else:
                self._workers.append(stranger)

    def worker_of(self, run: int) -> Worker | None:
        """The worker in whose batch the run is."""
        return next((worker for worker in self._workers if run in worker.runs), None)

    def trains(self, run: int) -> bool:
        """Whether some worker holds the run, or is just starting with it."""
        worker = self.worker_of(run)
        if worker is not None and worker.trains(run, self._home):
            return True
        return is_held(self._home.run(run).lock)

    def release(self, run: int) -> None:
        """The run has left its worker's batch."""
        worker = self.worker_of(run)
        if worker is not None:
            worker.runs.remove(run)

    def busy(self) -> list[Busy]:
        """What the live workers occupy."""
        return [self._busy(worker) for worker in self._workers]

    def borrowers(self) -> list[int]:
        """The processes that may be lent idle cores, oldest first: all that do not decline."""
        return [
            worker.identity.pid
            for worker in self._workers
            if worker.device == "cpu"
            and worker.identity is not None
            and self._told(worker).get("spreads", True)
        ]

    def _told(self, worker: Worker) -> dict[str, Any]:
        """Its heartbeat, which any of its runs tells; nothing before the first."""
        pid = worker.identity.pid if worker.identity else None
        statuses = (read_status(self._home.run(run).status) for run in worker.runs)
        return next((s for s in statuses if s.get("pid") == pid), {})

    def _busy(self, worker: Worker) -> Busy:
        """What it holds is what its heartbeat says."""
        told = self._told(worker)
        host, device = int(told.get("rss_bytes", 0)), int(told.get("device_bytes", 0))
        beside = host_bytes_beside(worker.device)
        return Busy(
            worker.device,
            worker.threads,
            worker.gpu,
            to_come=max(0, worker.n_bytes - (device if worker.device == "cuda" else host)),
            host_to_come=max(0, beside - host),
        )
