"""How the daemon lives: one per home, a loop that ingests and supervises, and a server."""

import contextlib
import hashlib
import json
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path

from engine.daemon.calls import Calls
from engine.daemon.election import ALREADY_RUNNING, elected
from engine.daemon.server import Server
from engine.daemon.supervisor import Supervisor
from engine.errors import EngineUnavailable, LabError
from engine.home import Home, atomic_write
from engine.store import Store

TICK_SECONDS = 0.1
MOST_REST_SECONDS = 0.5
"""A new point must be on the page within 2 s, however slow the disk is."""
LONGEST_SOCKET_PATH = 100
"""Bytes; the system's limit is 107."""

log = logging.getLogger(__name__)


def serve(home: Home) -> int:
    """Run the daemon of `home` until SIGTERM or SIGINT; returns the exit status."""
    home.create()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    with home.daemon_lock.open("w") as lock:
        if not elected(lock):
            return ALREADY_RUNNING
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        store = Store(home.database)
        try:
            _run(home, store, stopping)
        finally:
            store.close()
    return 0


def socket_path(home: Home) -> Path:
    """The socket in the home, or, where that path is too long for a socket, a private folder."""
    if len(os.fsencode(home.socket)) <= LONGEST_SOCKET_PATH:
        return home.socket
    digest = hashlib.sha256(os.fsencode(home.path)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"grokking-lab-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise EngineUnavailable(f"{folder} must belong to you alone; remove it and try again")
    return folder / "daemon.sock"


def _run(home: Home, store: Store, stopping: threading.Event) -> None:
    supervisor = Supervisor(home, store)
    with _serving(home, Calls(home=home, store=store, supervisor=supervisor)):
        try:
            while not stopping.is_set():
                started = time.monotonic()
                _tick(home, store, supervisor)
                stopping.wait(pause_after(time.monotonic() - started))
        finally:
            supervisor.close()


def pause_after(tick_seconds: float) -> float:
    """How long to rest after a tick: ten ticks a second, but at most a tenth of one core."""
    return max(TICK_SECONDS - tick_seconds, min(9 * tick_seconds, MOST_REST_SECONDS))


def _tick(home: Home, store: Store, supervisor: Supervisor) -> None:
    try:
        supervisor.tick(store.ingest_many(supervisor.active(), home.runs))
        supervisor.stand_by()
    except LabError as error:
        log.warning("%s", error)
    except Exception:
        # The outermost frame of the daemon: one bad tick must not end every run's recording.
        log.exception("a tick failed")


@contextlib.contextmanager
def _serving(home: Home, calls: Calls) -> Generator[None]:
    socket = socket_path(home)
    socket.unlink(missing_ok=True)
    address = f"grpc+unix://{socket}"
    server = Server(address, calls)
    socket.chmod(0o600)
    told = {"address": address, "pid": os.getpid(), "started": time.time()}
    atomic_write(home.daemon_info, json.dumps(told).encode())
    thread = threading.Thread(target=server.serve, name="flight", daemon=True)
    thread.start()
    log.info("serving %s at %s", home.path, address)
    try:
        yield
    finally:
        home.daemon_info.unlink(missing_ok=True)
        server.shutdown()
        thread.join(timeout=5)
