"""What the daemon asks of a run: one small file, atomically replaced, looked at between blocks."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from engine.home import atomic_write

Verb = Literal["pause", "stop", "checkpoint"]


@dataclass(frozen=True, slots=True)
class Command:
    """One command; its id comes back in the acknowledgement."""

    id: str
    verb: Verb


def send(path: Path, command: Command) -> None:
    """Replace the run's command."""
    content = {"id": command.id, "command": command.verb, "t": round(time.time(), 3)}
    atomic_write(path, json.dumps(content).encode())


class ControlFile:
    """Reads each new command once; a look costs one `stat`.

    What stands in the file before the first look counts as new: the daemon removes old commands
    before it starts a worker, and may send one while the worker starts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def poll(self) -> Command | None:
        """The command that arrived since the last look, if any."""
        stamp = stamp_of(self._path)
        if stamp == self._seen:
            return None
        self._seen = stamp
        return _parse(self._path)


def stamp_of(path: Path) -> tuple[int, int] | None:
    """What differs whenever a file has been replaced; None while there is none."""
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _parse(path: Path) -> Command | None:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("command") not in get_args(Verb):
        return None
    return Command(id=str(content.get("id", "")), verb=content["command"])
