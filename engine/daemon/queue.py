"""How queued runs become batches in the hands of workers."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from data import task_sizes
from engine.daemon.attempts import prepare
from engine.daemon.fleet import Fleet
from engine.daemon.footprint import footprint
from engine.daemon.limits import Limits
from engine.daemon.origins import Origin, find_origin
from engine.daemon.placing import device_of
from engine.daemon.rows import Row, config_of, find
from engine.daemon.scheduler import Start, Waiting, plan
from engine.errors import LabError
from engine.home import Home
from engine.store import Store
from engine.trainer.shape import shape_key

MEMORY_SECONDS = 2.0
"""Between two looks at free memory, where a run waits for some."""


class Queue:
    """The runs that wait; `began` is told of each run that a worker is given."""

    def __init__(
        self, home: Home, store: Store, *, fleet: Fleet, began: Callable[[int], None]
    ) -> None:
        self._home, self._store, self._fleet, self._began = home, store, fleet, began
        self._limits = Limits(home)
        self._origins: dict[int, Origin] = {}
        self._known: dict[int, Waiting] = {}
        self._reasons: dict[int, str] = {}
        self._looked = 0.0
        self.changed = True
        """Whether something may start that could not before."""
        self.waits = False
        """Whether some run is queued."""

    @property
    def is_due(self) -> bool:
        """Whether to try to start something: memory becomes free without a word."""
        return self.changed or (
            bool(self._reasons) and time.monotonic() - self._looked > MEMORY_SECONDS
        )

    def put(self, run_id: int, reason: str = "") -> None:
        """Queue a run to go on from its latest intact checkpoint."""
        self.forget(run_id)
        origin = find_origin(self._home.run(run_id), self._store.checkpoints(run_id))
        self._origins[run_id] = origin
        self._store.set_state(run_id, "queued", reason or origin.remark)
        self.changed = True

    def learn(self, run_id: int, n_runs: int) -> None:
        """No more than so many runs like this fit in one program."""
        config = config_of(find(self._store, run_id))
        device = device_of(config, self._fleet.machine)
        self._limits.learn(shape_key(config), device, n_runs)
        self._known.clear()

    def forget(self, run_id: int) -> None:
        """The run is queued no longer."""
        for known in (self._origins, self._known, self._reasons):
            known.pop(run_id, None)

    def start(self) -> None:
        """Give free workers to the runs that are due."""
        self.changed, self._looked = False, time.monotonic()
        rows = {row["run_id"]: row for row in self._store.queued()}
        queue = [waiting for row in rows.values() if (waiting := self._waiting(row))]
        self.waits = bool(queue)
        if not queue:
            self._reasons.clear()
            return
        planned = plan(queue, self._fleet.busy(), self._fleet.machine, self._fleet.room())
        self._tell(planned.waits)
        for start in planned.starts:
            try:
                self._begin(start, {run_id: rows[run_id] for run_id in start.runs})
            except OSError as error:
                self.changed = True
                reason = f"waiting: the run's folder cannot be written ({error.strerror})"
                for run_id in start.runs:
                    self._store.set_state(run_id, "queued", reason)

    def _tell(self, waits: Mapping[int, str]) -> None:
        """Say what a run waits for once; that memory moves a little is no news."""
        for run_id, reason in waits.items():
            if run_id not in self._reasons:
                self._store.set_state(run_id, "queued", reason)
        self._reasons = dict(waits)

    def _waiting(self, row: Row) -> Waiting | None:
        run_id = row["run_id"]
        if run_id in self._known:
            return self._known[run_id]
        try:
            config = config_of(row)
            device = device_of(config, self._fleet.machine)
        except LabError as error:
            self._store.set_state(run_id, "failed", str(error))
            return None
        if run_id not in self._origins:
            folder = self._home.run(run_id)
            self._origins[run_id] = find_origin(folder, self._store.checkpoints(run_id))
        shape = shape_key(config)
        self._known[run_id] = Waiting(
            run_id,
            (shape, self._origins[run_id].step),
            device,
            config.training.threads,
            footprint(config, task_sizes(config.task)),
            self._limits.most(shape, device),
        )
        return self._known[run_id]

    def _begin(self, start: Start, rows: Mapping[int, Row]) -> None:
        attempts: dict[int, int] = {}
        for run_id, row in rows.items():
            folder = self._home.run(run_id)
            attempts[run_id] = max(row["attempt"] or 0, folder.last_attempt()) + 1
            prepare(
                folder,
                attempt=attempts[run_id],
                config=config_of(row),
                origin=self._origins[run_id],
                start=start,
            )
        for run_id, attempt in attempts.items():
            origin = self._origins[run_id]
            self._store.begin_attempt(run_id, attempt, origin.step)
            self._store.set_state(run_id, "starting", origin.remark)
            if attempt > 1:
                self._tell_resumed(run_id, origin.step, {"attempt": attempt})
        self._fleet.start(start)
        for run_id in attempts:
            self.forget(run_id)
            self._began(run_id)

    def _tell_resumed(self, run_id: int, step: int, payload: dict[str, Any]) -> None:
        self._store.add_event(run_id, step, "resumed", payload)
