"""Which processes belong to a lab: for tests that kill them, and to leave none behind."""

import contextlib
import json
import os
import signal
import time

import psutil

from engine.home import ENVIRONMENT, Home


def daemon_pid(home: Home) -> int | None:
    """The process of the home's daemon, None when none runs."""
    if not home.daemon_info.exists():
        return None
    pid = json.loads(home.daemon_info.read_text())["pid"]
    return pid if psutil.pid_exists(pid) and _works_in(psutil.Process(pid), home) else None


def daemons(home: Home) -> list[psutil.Process]:
    """Every `engine serve` of the home, also those that do not answer yet."""
    return [process for process in psutil.process_iter() if _serves(process, home)]


def end_daemon(home: Home, *, gently: bool) -> None:
    """End the daemon by SIGTERM or SIGKILL, and wait until it has gone."""
    for daemon in daemons(home):
        if gently:
            daemon.terminate()
        else:
            daemon.kill()
    deadline = time.monotonic() + 30
    while any(daemon.status() != psutil.STATUS_ZOMBIE for daemon in daemons(home)):
        assert time.monotonic() < deadline, "the daemon does not end"
        time.sleep(0.02)


def worker_pids(home: Home) -> list[int]:
    """The worker processes of the home."""
    return [
        process.pid
        for process in psutil.process_iter()
        if "engine.worker" in _command(process) and _works_in(process, home)
    ]


def step_aside(home: Home) -> None:
    """Have the home's workers take little more than the processor time that nobody else wants.

    A run without an end would else take a whole core from the tests beside this one.
    """
    for pid in worker_pids(home):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).nice(15)


def standby_pids(home: Home) -> list[int]:
    """The process that waits to become a worker."""
    return [
        process.pid
        for process in psutil.process_iter()
        if "engine.standby" in _command(process) and _works_in(process, home)
    ]


def end_all(home: Home) -> None:
    """Kill every process of the engine in a home and wait until they are gone.

    Daemons too that have not yet found out whether another one was there before.
    """
    pids = [
        process.pid
        for process in psutil.process_iter()
        if "-m engine" in _command(process) and _works_in(process, home)
    ]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _works_in(process: psutil.Process, home: Home) -> bool:
    try:
        return process.environ().get(ENVIRONMENT) == str(home.path)
    except psutil.Error:
        return False


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _serves(process: psutil.Process, home: Home) -> bool:
    try:
        serves = process.cmdline()[1:] == ["-m", "engine", "serve"]
        return serves and process.environ().get(ENVIRONMENT) == str(home.path)
    except psutil.Error:
        return False
