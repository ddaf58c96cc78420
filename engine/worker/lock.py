"""Who trains a run: the process that holds the flock on the run's lock file, and nobody else.

A flock is freed by the kernel the moment its last holder dies, whatever killed it. A forked helper
would inherit it and make a dead run look alive, so forked children close it at once.
"""

import fcntl
import os
import time
from pathlib import Path

PATIENCE_SECONDS = 2.0
"""How long a worker waits for a lock: the supervisor's glance at it lasts microseconds."""


class RunLock:
    """The flock on one run, held from construction to `release` or the death of the process."""

    def __init__(self, path: Path) -> None:
        """Take the lock; raises BlockingIOError when another process keeps it."""
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _try(self._descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                self.release()
                raise BlockingIOError(f"another process trains this run: {path} is locked")
            time.sleep(0.01)
        os.register_at_fork(after_in_child=self.release)

    def release(self) -> None:
        """Let go; harmless when already released."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_held(path: Path) -> bool:
    """Whether some process trains the run at this moment."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
