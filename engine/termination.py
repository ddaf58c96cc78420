"""How SIGTERM and Ctrl-C reach a process of the engine: as something to ask or to wait for."""

import contextlib
import queue
import signal


class Termination:
    """Whether this process was told to end; it listens from construction on.

    `threading.Event` cannot do this: a signal that arrives inside its `wait` would call `set` in
    the same thread, which needs the lock that `wait` holds. `SimpleQueue.put` may be called there.
    """

    def __init__(self) -> None:
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def asked(self) -> bool:
        """Whether the signal has come."""
        return self._asked

    def wait(self, seconds: float) -> bool:
        """Rest for so long, or until the signal comes; whether it has."""
        if not self._asked:
            with contextlib.suppress(queue.Empty):
                self._told.get(timeout=seconds)
        return self._asked

    def _hear(self, *_: object) -> None:
        self._asked = True
        self._told.put(None)
