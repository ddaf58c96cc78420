"""What workers wait for, off their heartbeats: a full disk may keep it out of the database."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.home import Home
from engine.worker.status import read_status


class Waiting:
    """What the active runs wait for; `changes` counts how often that became something else."""

    def __init__(self, home: Home, active: Callable[[], list[int]]) -> None:
        self._home, self._active = home, active
        self._mutex = threading.Lock()
        self._seen: Mapping[int, str] = {}
        self._changes = 0

    def changes(self) -> int:
        """Looks again, and counts."""
        self._look()
        return self._changes

    def tell(self, rows: Iterable[dict[str, Any]]) -> None:
        """Put what a run waits for in place of its `state_reason`."""
        waiting = self._look()
        for row in rows:
            row["state_reason"] = waiting.get(row["run_id"]) or row["state_reason"]

    def _look(self) -> Mapping[int, str]:
        found = {run: self._words(run) for run in self._active()}
        waiting = {run: words for run, words in found.items() if words}
        with self._mutex:
            self._changes += waiting != self._seen
            self._seen = waiting
        return waiting

    def _words(self, run: int) -> str:
        return str(read_status(self._home.run(run).status).get("waiting", ""))
