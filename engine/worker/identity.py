"""Which process a pid meant when it was written down: pids are reused, identities are not."""

from dataclasses import dataclass
from pathlib import Path

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for ever: its pid, when it started (clock ticks since boot) and which boot."""

    pid: int
    start_ticks: int
    boot_id: str

    def as_json(self) -> dict[str, int | str]:
        """The content of `proc.json`."""
        return {"pid": self.pid, "start_ticks": self.start_ticks, "boot_id": self.boot_id}


def identify(pid: int) -> Identity | None:
    """Who has this pid now; None when nobody has."""
    ticks = _start_ticks(pid)
    return None if ticks is None else Identity(pid, ticks, boot_id())


def boot_id() -> str:
    """A name of this boot of the machine."""
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip()
    return str(round(psutil.boot_time()))


def _start_ticks(pid: int) -> int | None:
    stat = Path(f"/proc/{pid}/stat")
    try:
        if stat.parent.parent.joinpath("stat").exists():
            # the command's name is in parentheses and may hold any character
            return int(stat.read_text().rpartition(")")[2].split()[19])
        return round(psutil.Process(pid).create_time() * 100)
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return None
