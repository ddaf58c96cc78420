"""How things are written without holding up training: by a thread, in the order of telling.

Between two steps of a small network the caches hold its numbers: putting a line into words and
onto the disk costs ten times as much there as in a thread of its own.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

_Job = tuple[Callable[..., None], tuple[Any, ...]]


class Scribe:
    """Does what it is told in order; what goes wrong is raised to the next caller.

    After an error nothing more is done until that caller knows of it: a journal has no holes.
    A caller waits for it where more than `most_pending` jobs are left.
    """

    def __init__(self, *, most_pending: int) -> None:
        self._most_pending = most_pending
        self._jobs: SimpleQueue[_Job | threading.Event] = SimpleQueue()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="scribe", daemon=True)
        self._thread.start()

    def put(self, job: Callable[..., None], *arguments: Any) -> None:
        """Have `job(*arguments)` done; nobody changes the arguments any more."""
        if self._error is not None:
            self.drain()
        self._jobs.put((job, arguments))
        if self._jobs.qsize() > self._most_pending:
            self.drain()

    def mark(self) -> threading.Event:
        """An event that is set once everything that was put before is done."""
        done = threading.Event()
        self._jobs.put(done)
        return done

    def drain(self) -> None:
        """Wait until everything that was put before is done."""
        self.mark().wait()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if isinstance(job, threading.Event):
                job.set()
            elif self._error is None:
                act, arguments = job
                try:
                    act(*arguments)
                except Exception as error:  # noqa: BLE001
                    # a thread has nobody above it: the next caller hears of it
                    self._error = error
