"""What can be asked of a run: launch, pause, resume, stop, kill, fork, extend, delete.

States change in two places only: under the supervisor, and where the store ingests a journal
(`start` → running, `end` → how it ended). Whether a run lives is read off the flock on its lock,
never off a pid.
"""

import contextlib
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from engine.config import RunConfig, parse_config
from engine.daemon.attempts import remember_origin
from engine.daemon.branching import (
    copy_checkpoint,
    exact_checkpoint,
    extended_config,
    forked_config,
    nearest_checkpoint,
)
from engine.daemon.demands import promise, promised
from engine.daemon.fleet import Fleet
from engine.daemon.lending import Lending
from engine.daemon.memory import Room, gpu_names, measure
from engine.daemon.placing import check, check_threads, device_of, has_mps
from engine.daemon.processes import n_cores
from engine.daemon.queue import Queue
from engine.daemon.rows import Row, config_of, find, last_step
from engine.daemon.scheduler import Machine
from engine.daemon.warmer import Warmer
from engine.daemon.watch import Watch
from engine.errors import LabError, NotPossible, StoreUnavailable
from engine.home import Home
from engine.store import Ingested, Store
from engine.trainer.settling import settled
from engine.version import code_version

ACTIVE = frozenset({"starting", "running", "stopping"})
RESUMABLE = frozenset({"paused", "lost", "stopped", "failed"})
EXTENDABLE = frozenset({"paused", "lost", "stopped", "finished"})
_FIRST = {
    "failed": "resume it, or fork it at a checkpoint with other settings",
    "stopping": "wait until it has stopped, then extend it",
}
"""What to do with a run that cannot be extended; any other can be paused."""


class Supervisor:
    """The life of every run of one home; commands may come from any thread.

    A command that the run's state forbids raises `NotPossible` and changes nothing; an unknown run
    raises `RunNotFound`.
    """

    def __init__(
        self,
        home: Home,
        store: Store,
        machine: Machine | None = None,
        room: Callable[[], Room] | None = None,
    ) -> None:
        self._home, self._store = home, store
        self._mutex = threading.RLock()
        gpus = gpu_names()
        self.machine = machine or Machine(n_cores(), len(gpus), has_mps())
        self._fleet = Fleet(home, self.machine, measure=room or (lambda: measure(gpus)))
        self._warmer = Warmer(home, self._fleet.device)
        self._watch = Watch(home, store, fleet=self._fleet, go_on=self._put_back)
        self._lending = Lending(home, self._fleet)
        self._queue = Queue(home, store, fleet=self._fleet, began=self._watch.add)
        for row in store.runs():
            if row["state"] in ACTIVE:
                self._watch.add(row["run_id"])
                self._keep_promise(row)

    def room_for(self, config: RunConfig) -> int | None:
        """The most bytes that the run could have where it will train; None where nobody knows."""
        return self._fleet.largest(device_of(config, self.machine))

    def settled(self, config: RunConfig) -> RunConfig:
        """The configuration as it will be trained here; SettingsError as `device_of`."""
        return settled(config, device_of(config, self.machine))

    # what the daemon's loop calls

    def active(self) -> list[int]:
        """The runs whose journals may grow."""
        with self._mutex:
            return self._watch.runs()

    def tick(self, ingested: Mapping[int, Ingested]) -> None:
        """Act on what was just ingested, on workers that died, on commands and on the queue."""
        with self._mutex:
            self._watch.tick(ingested)
            if self._fleet.reap() or self._queue.is_due:
                self._queue.start()
            self._lending.renew()

    def stand_by(self) -> None:
        """Keep a worker ready for the next launch; the daemon calls it after every tick."""
        if not self._fleet.stands_by:
            return
        with self._mutex:
            self._fleet.stand_by()
            self._warmer.tick(idle=not (self._fleet.busy() or self._queue.waits))

    def close(self) -> None:
        """Let go of what would not outlive the daemon; runs go on."""
        with self._mutex:
            self._fleet.close()
            self._warmer.end()

    # commands

    def launch(
        self,
        configs: Sequence[Mapping[str, Any]],
        *,
        name: str,
        tags: Sequence[str] = (),
        notes: str = "",
    ) -> list[int]:
        """Queue a run for each configuration, all of one sweep; none when one cannot be."""
        checked = [parse_config(config) for config in configs]
        for config in checked:
            check(config, self.machine)
        checked = [self.settled(config) for config in checked]
        sweep_id = secrets.token_hex(6)
        with self._mutex:
            self._queue.changed = True
            return [
                self._create(config, name=name, sweep_id=sweep_id, tags=tags, notes=notes)
                for config in checked
            ]

    def pause(self, run_id: int) -> None:
        """Checkpoint the run and end its part of the worker; a queued run leaves the queue."""
        with self._mutex:
            row = find(self._store, run_id)
            if row["state"] == "queued":
                self._leave_queue(run_id, "paused", "taken out of the queue; resume puts it back")
                return
            _require(row, {"starting", "running"}, "only a running run can be paused")
            self._watch.demand(run_id, "pause")  # before the promise: a full disk may forbid it
            self._store.set_state(run_id, row["state"], promise("pause", last_step(row)))

    def stop(self, run_id: int) -> None:
        """End the run after its current block of steps, with a checkpoint."""
        with self._mutex:
            row = find(self._store, run_id)
            if row["state"] in ("queued", "paused"):
                self._leave_queue(run_id, "stopped", f"stopped while {row['state']}")
                return
            _require(row, ACTIVE, "only a running, paused or queued run can be stopped")
            self._watch.demand(run_id, "stop")
            self._store.set_state(run_id, "stopping", promise("stop", last_step(row)))

    def kill(self, run_id: int) -> None:
        """End the run's process: SIGTERM, SIGKILL 5 s later; the rest of its batch resumes."""
        with self._mutex:
            row = find(self._store, run_id)
            if row["state"] == "queued":
                self._leave_queue(run_id, "stopped", "killed while queued")
                return
            _require(row, ACTIVE, "it has no process that could be killed")
            with contextlib.suppress(StoreUnavailable):  # a full disk keeps nobody from killing
                self._store.set_state(run_id, "stopping", promise("kill", last_step(row)))
            self._watch.kill(run_id)

    def checkpoint(self, run_id: int) -> None:
        """Save the run's state at the end of its current block of steps."""
        with self._mutex:
            _require(find(self._store, run_id), {"running"}, "only a running run can be saved")
            self._watch.demand(run_id, "checkpoint")

    def resume(self, run_id: int) -> None:
        """Queue a paused, stopped, failed or lost run to go on from its latest checkpoint."""
        with self._mutex:
            row = find(self._store, run_id)
            if row["state"] == "finished":
                raise NotPossible(f"run {run_id} has finished; give it a larger budget to go on")
            _require(row, RESUMABLE, "only a paused, stopped, failed or lost run can be resumed")
            self._queue.put(run_id)

    def extend(self, run_id: int, steps: int) -> None:
        """Give the run a budget of `steps` in all and queue it to go on."""
        with self._mutex:
            row = find(self._store, run_id)
            _require(row, EXTENDABLE, _FIRST.get(row["state"], "pause it first, then extend it"))
            config = extended_config(config_of(row), steps, last_step=last_step(row))
            self._store.update_run(run_id, config=config.model_dump(mode="json"))
            self._queue.put(run_id)

    def fork(
        self, run_id: int, step: int, overrides: Mapping[str, Any], *, exact: bool = False
    ) -> int:
        """A new run with other settings, from the nearest checkpoint at or before a step.

        `exact` takes the checkpoint of that very step, or none: a run that trains replaces them.
        """
        with self._mutex:
            row = find(self._store, run_id)
            rows = self._store.checkpoints(run_id)
            choose = exact_checkpoint if exact else nearest_checkpoint
            checkpoint = choose(rows, step, run_id, last_step=last_step(row))
            used = checkpoint["step"]
            config = self.settled(forked_config(config_of(row), overrides, step=used))
            if "training.threads" in overrides:
                check_threads(config, self.machine)
            child = self._create(
                config,
                name=f"{row['name'] or row['task']} @ {used:,}",
                parent=(run_id, used),
                tags=row["tags"] or (),
            )
            folder = self._home.run(child).create()
            try:
                origin = copy_checkpoint(self._home.run(run_id), folder, checkpoint)
            except LabError:
                self._remove(child)
                raise
            remember_origin(folder, origin)
            payload = {"run": run_id, "asked": step, "overrides": dict(overrides)}
            self._store.add_event(child, used, "forked", payload)
            nearest = "" if used == step else f", the nearest checkpoint before {step:,}"
            self._queue.put(child, f"goes on from run {run_id} at step {used:,}{nearest}")
            return child

    def delete(self, run_id: int) -> None:
        """Remove a run that does not train, with its folder."""
        with self._mutex:
            row = find(self._store, run_id)
            if run_id in self._watch or self._fleet.trains(run_id):
                raise NotPossible(f"run {run_id} is {row['state']}; stop it first, then delete it")
            self._remove(run_id)

    def slots(self) -> dict[str, Any]:
        """How many workers may run at once, how many do, and which runs wait."""
        with self._mutex:
            machine, busy = self.machine, self._fleet.busy()
        return {
            "total": machine.n_gpus or machine.n_cores,
            "busy": len(busy),
            "device": self._fleet.device,
            "queued": [row["run_id"] for row in self._store.queued()],
            "threads": machine.n_cores,
        }

    def _create(
        self,
        config: RunConfig,
        *,
        name: str,
        sweep_id: str | None = None,
        parent: tuple[int | None, int | None] = (None, None),
        tags: Sequence[str] = (),
        notes: str = "",
    ) -> int:
        return self._store.create_run(
            name=name,
            config=config.model_dump(mode="json"),
            sweep_id=sweep_id,
            parent_run=parent[0],
            parent_step=parent[1],
            tags=tags,
            notes=notes,
            code_version=code_version(),
        )

    def _keep_promise(self, row: Row) -> None:
        """Ask again: an earlier daemon may have died before its worker heard of it."""
        verb = promised(row["state"], row["state_reason"])
        if verb == "kill":
            self._watch.kill(row["run_id"])
        elif verb is not None:
            self._watch.demand(row["run_id"], verb)

    def _put_back(self, run_id: int, reason: str) -> None:
        """A run goes on from its checkpoint; where its batch was too large, in a smaller one."""
        crowded = [e for e in self._store.events([run_id]) if e["kind"] == "out_of_memory"]
        if reason and crowded:
            self._queue.learn(run_id, int(crowded[-1]["payload"]["fitting"]))
        self._queue.put(run_id, reason)

    def _leave_queue(self, run_id: int, state: str, reason: str) -> None:
        self._queue.forget(run_id)
        self._store.set_state(run_id, state, reason)

    def _remove(self, run_id: int) -> None:
        self._queue.forget(run_id)
        self._store.delete_run(run_id)
        shutil.rmtree(self._home.run(run_id).path, ignore_errors=True)


def _require(row: Row, states: Iterable[str], rule: str) -> None:
    if row["state"] not in states:
        raise NotPossible(f"run {row['run_id']} is {row['state']}: {rule}")
