"""Which process is the daemon of a home: the one that holds the flock on `daemon.lock`."""

import fcntl
from typing import IO

ALREADY_RUNNING = 3
"""Exit status of a daemon that finds another one in its home."""


def elected(lock: IO[str]) -> bool:
    """Take the lock if nobody has it; it is freed when the process ends, however it ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
