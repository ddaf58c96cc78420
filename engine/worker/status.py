"""How a worker says that it lives, every second, even on a full disk.

The file's 4,096 bytes are allocated once and then rewritten in place, which needs no room.
"""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from engine.worker.patience import Patience

SIZE = 4096


class StatusFile:
    """`status.json` of one run."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._state: dict[str, Any] = {"pid": os.getpid()}
        self._lock = threading.Lock()

    def allocate(self, patience: Patience) -> None:
        """Take the room that later writes need."""
        blank = b" " * SIZE
        patience.until_written(lambda: os.pwrite(self._descriptor, blank, 0))
        patience.until_written(lambda: os.fsync(self._descriptor))

    def write(self, **changes: Any) -> None:
        """Change some keys and beat once; never waits for room."""
        with self._lock:
            self._state |= changes | {"t": round(time.time(), 3)}
            content = json.dumps(self._state).encode()
            assert len(content) <= SIZE, "a status is a few short fields"
            os.pwrite(self._descriptor, content.ljust(SIZE), 0)

    def close(self) -> None:
        """Close the file; the last state stays readable."""
        os.close(self._descriptor)


def read_status(path: Path) -> dict[str, Any]:
    """The last state that a worker wrote; empty when none can be read, or it is being written."""
    try:
        status = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}
