"""Which processes serve a home, also those that do not answer yet."""

import time

import psutil

from engine.home import ENVIRONMENT, Home


def daemons(home: Home) -> list[psutil.Process]:
    """Every `engine serve` of the home."""
    return [process for process in psutil.process_iter() if _serves(process, home)]


def _serves(process: psutil.Process, home: Home) -> bool:
    try:
        serves = process.cmdline()[1:] == ["-m", "engine", "serve"]
        return serves and process.environ().get(ENVIRONMENT) == str(home.path)
    except psutil.Error:
        return False


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
