"""What becomes of the runs in workers' hands: commands obeyed or not, ends, deaths."""

import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.daemon.attempts import has_started
from engine.daemon.demands import Demand, promise
from engine.daemon.fleet import Fleet
from engine.daemon.processes import last_words
from engine.daemon.rows import find, last_step
from engine.errors import NotPossible
from engine.home import Home
from engine.store import Ingested, Store
from engine.worker.control import Verb, send
from engine.worker.status import read_status

BIRTH_SECONDS = 5.0
"""How long a run may be `starting` with no known process, after the daemon was restarted."""
STATUS_SECONDS = 1.0


@dataclass(slots=True)
class Active:
    """A run that some worker trains, or is about to."""

    born: float
    demand: Demand | None = None
    go_on: bool = False
    """Whether it resumes when its worker was ended for the sake of another run of the batch."""
    waiting: str = ""
    """What the worker said that it waits for."""


class Watch:
    """The active runs. `go_on` queues a run again, and why; one that is let go frees a slot."""

    def __init__(
        self, home: Home, store: Store, *, fleet: Fleet, go_on: Callable[[int, str], None]
    ) -> None:
        self._home, self._store, self._fleet, self._go_on = home, store, fleet, go_on
        self._active: dict[int, Active] = {}
        self._status_read = 0.0

    def __contains__(self, run_id: int) -> bool:
        return run_id in self._active

    def runs(self) -> list[int]:
        """The runs whose journals may grow."""
        return list(self._active)

    def add(self, run_id: int) -> None:
        """A worker was given the run."""
        self._active[run_id] = Active(time.monotonic())

    def demand(self, run_id: int, verb: Verb) -> None:
        """Send a command to the run's worker; NotPossible where it cannot be written down."""
        demand = Demand(verb, time.monotonic())
        try:
            send(self._home.run(run_id).control, demand.command)
        except OSError as error:
            raise NotPossible(
                f"run {run_id} cannot be told to {verb} now: {error.strerror}; make room on the"
                " disk and try again, or kill it"
            ) from None
        self._active[run_id].demand = demand

    def kill(self, run_id: int) -> None:
        """End the run's process, now and if need be harder in 5 s."""
        self._active[run_id].demand = Demand("kill", time.monotonic())
        self._look_after(run_id)

    def tick(self, ingested: Mapping[int, Ingested]) -> None:
        """Act on what journals said, on workers that died, and on commands not obeyed."""
        self._fleet.adopt(self._active)
        for run_id, result in ingested.items():
            self._take_in(run_id, result)
        for run_id in list(self._active):
            self._look_after(run_id)
        if time.monotonic() - self._status_read > STATUS_SECONDS:
            self._status_read = time.monotonic()
            self._pass_on_waiting()

    def _take_in(self, run_id: int, result: Ingested) -> None:
        active = self._active.get(run_id)
        if active is None:
            return
        if active.demand is not None and active.demand.id in acknowledged(result.acks):
            active.demand.answered = True
            if active.demand.verb == "checkpoint":
                active.demand = None
        if result.ended is not None:
            self._take_leave(run_id, result)

    def _take_leave(self, run_id: int, result: Ingested) -> None:
        """The last line has been read: it wins over a command given at the same time."""
        ended = result.ended or ""
        if ended == "returned":
            self._take_back(run_id, result.message)
            return
        state = "failed" if ended == "diverged" else ended
        if find(self._store, run_id)["state"] != state:
            self._store.set_state(run_id, state, result.message)
        self._let_go(run_id, cut_short=ended == "stopped")

    def _take_back(self, run_id: int, reason: str) -> None:
        """The worker had no memory left for the run: it waits again, unless it was to end."""
        demand = self._active[run_id].demand
        self._let_go(run_id, cut_short=False)
        if find(self._store, run_id)["state"] in ("paused", "stopped"):
            return  # taken out of the queue before we looked
        if demand is None or demand.verb == "checkpoint":
            self._go_on(run_id, reason)
        else:
            ending = "paused" if demand.verb == "pause" else "stopped"
            self._store.set_state(run_id, ending, f"{reason}; {self._way_out(run_id)}")

    def _look_after(self, run_id: int) -> None:
        active = self._active.get(run_id)
        if active is None:
            return
        if self._fleet.worker_of(run_id) is None and not has_started(self._home.run(run_id)):
            # an earlier daemon died between preparing the attempt and seeing its worker come up
            if time.monotonic() - active.born > BIRTH_SECONDS:
                del self._active[run_id]
                self._go_on(run_id, "")
        elif not self._fleet.trains(run_id):
            self._settle(run_id, active)
        elif active.demand is not None:
            self._insist(run_id, active.demand)

    def _insist(self, run_id: int, demand: Demand) -> None:
        worker = self._fleet.worker_of(run_id)
        measure = demand.measure(time.monotonic())
        if worker is None or measure == "wait":
            return
        if measure == "tell":
            demand.told = True
            row = find(self._store, run_id)
            reason = f"{promise(demand.verb, last_step(row))}; its worker has not answered yet"
            self._store.set_state(run_id, row["state"], reason)
            return
        demand.terminated = demand.terminated or time.monotonic()
        for sibling in worker.runs:
            other = self._active.get(sibling)
            if other is not None and other.demand is None:
                other.go_on = True
        worker.signal(signal.SIGTERM if measure == "terminate" else signal.SIGKILL)

    def _settle(self, run_id: int, active: Active) -> None:
        """The worker is gone: read its journal to the end and say what became of the run."""
        folder = self._home.run(run_id)
        result = self._store.ingest(run_id, folder.path)
        if result.ended is not None:
            self._take_leave(run_id, result)
            return
        if active.demand is not None and active.demand.terminated is not None:
            self._store.set_state(run_id, "stopped", f"killed; {self._way_out(run_id)}")
        elif has_started(folder):
            self._store.set_state(run_id, "lost", f"its process died; {self._way_out(run_id)}")
        else:
            words = last_words(folder.log) or "it wrote nothing"
            self._store.set_state(run_id, "failed", f"the worker did not start: {words}")
        self._let_go(run_id, cut_short=True)

    def _let_go(self, run_id: int, *, cut_short: bool) -> None:
        active = self._active.pop(run_id)
        self._fleet.release(run_id)
        if active.go_on and cut_short:
            self._go_on(run_id, "")

    def _pass_on_waiting(self) -> None:
        """Tell the page what workers wait for, such as room on the disk."""
        for run_id, active in self._active.items():
            status = read_status(self._home.run(run_id).status)
            waiting = str(status.get("waiting", ""))
            if waiting != active.waiting:
                self._store.set_state(run_id, find(self._store, run_id)["state"], waiting)
                active.waiting = waiting

    def _way_out(self, run_id: int) -> str:
        steps = [row["step"] for row in self._store.checkpoints(run_id)]
        return f"resume goes on from step {max(steps):,}" if steps else "resume starts it again"


def acknowledged(acks: Iterable[Any]) -> set[str]:
    """The ids of the commands that journal lines acknowledge."""
    return {ack["id"] if isinstance(ack, Mapping) else str(ack) for ack in acks}
