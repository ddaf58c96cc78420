"""What a worker does on a full disk: it waits, says so, and loses nothing."""

import errno
import os
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Disk full, quota used up, file larger than the process's limit."""

RETRY_SECONDS = 1.0
WAITING = "waiting: disk full"


class Patience:
    """Repeats a write until there is room; `announce` hears why it waits, then ""."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self.waited_seconds = 0.0
        self.is_waiting = False

    def until_written(self, write: Callable[[], Result]) -> Result:
        """Call `write` until it no longer fails for want of room; other errors pass."""
        started = time.monotonic()
        waiting = False
        while True:
            try:
                result = write()
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                waiting = self.is_waiting = True
                self._announce(WAITING)
                time.sleep(RETRY_SECONDS)
                continue
            if waiting:
                self.is_waiting = False
                self.waited_seconds += time.monotonic() - started
                self._announce("")
            return result


class JournalWriter:
    """Appends whole lines to a journal; on a full disk nothing but whole lines is left behind."""

    def __init__(self, path: os.PathLike[str], patience: Patience) -> None:
        self._patience = patience
        self._descriptor = patience.until_written(
            lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        )
        self._end = 0

    def append(self, line: bytes) -> None:
        """Write one line, all of it, however long that takes."""
        self._patience.until_written(lambda: self._write(line))

    def close(self) -> None:
        """Put the journal on the disk for good and close it."""
        self._patience.until_written(lambda: os.fsync(self._descriptor))
        os.close(self._descriptor)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(line)
