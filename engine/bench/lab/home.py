"""A lab of its own for a measurement, and nothing of it left afterwards."""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil

from engine.client import Lab, connect
from engine.client.remote import ADDRESS
from engine.errors import NotPossible
from engine.home import ENVIRONMENT, Home

ENDED = frozenset({"finished", "stopped", "failed", "lost"})
_PATIENCE_SECONDS = 60


@contextlib.contextmanager
def temporary_lab() -> Generator[Lab]:
    """A lab in a new folder; its runs are killed and its daemon ended when it is let go.

    Raises:
        NotPossible: clients are told to talk to a lab on another machine.
    """
    if ADDRESS in os.environ:
        raise NotPossible(f"this measures a lab on this machine: unset {ADDRESS}")
    with tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as folder:
        lab = connect(Home(Path(folder) / "home").create())
        try:
            yield lab
        finally:
            _stop_runs(lab)
            _end_processes(lab.home)


def _stop_runs(lab: Lab) -> None:
    for row in _living(lab):
        with contextlib.suppress(NotPossible):  # it has ended by itself
            lab.kill(row["run_id"])
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _living(lab) and time.monotonic() < deadline:
        time.sleep(0.1)


def _living(lab: Lab) -> list[dict[str, Any]]:
    """Runs that an ending daemon would leave behind with their workers, or start."""
    return [row for row in lab.runs() if row["state"] not in ENDED]


def _end_processes(home: Home) -> None:
    """End the daemon, and wait for it and the workers to be gone; who stays is killed."""
    (daemon,) = [p for p in _processes(home) if p.pid == _daemon_pid(home)] or [None]
    if daemon is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            daemon.terminate()
    _, alive = psutil.wait_procs(_processes(home), timeout=_PATIENCE_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=_PATIENCE_SECONDS)


def _daemon_pid(home: Home) -> int | None:
    if not home.daemon_info.exists():
        return None
    return json.loads(home.daemon_info.read_text())["pid"]


def _processes(home: Home) -> list[psutil.Process]:
    """All that work in this home, which nobody else knows."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(ENVIRONMENT) == str(home.path):
                found.append(process)
    return found
