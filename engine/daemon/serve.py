"""How the daemon lives: one per home, a loop that ingests and supervises, and a server."""

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Generator

import pyarrow as pa

from engine.daemon.calls import Calls
from engine.daemon.election import ALREADY_RUNNING, elected
from engine.daemon.listening import Address, at_home
from engine.daemon.server import Server
from engine.daemon.supervisor import Supervisor
from engine.errors import EngineUnavailable, LabError, StoreUnavailable
from engine.home import Home, atomic_write
from engine.store import Store
from engine.termination import Termination

TICK_SECONDS = 0.1
MOST_REST_SECONDS = 0.5
"""A new point must be on the page within 2 s, however slow the disk is."""
YOUNG_SECONDS = 10.0
"""How long a run's first points are waited for."""

log = logging.getLogger(__name__)


def serve(home: Home, remote: Address | None = None) -> int:
    """Run the daemon of `home` until SIGTERM or SIGINT; returns the exit status.

    It always listens on a socket of its own, and at `remote` as well if that is given.
    """
    home.create()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    with home.daemon_lock.open("w") as lock:
        if not elected(lock):
            sys.stderr.write(f"a daemon already serves this home{_named(home)}\n")
            return ALREADY_RUNNING
        termination = Termination()
        store = Store(home.database)
        try:
            _run(home, store, termination, remote)
        finally:
            store.close()
    return 0


def _named(home: Home) -> str:
    try:
        return f" (process {json.loads(home.daemon_info.read_text())['pid']})"
    except (OSError, ValueError, LookupError, TypeError):
        return ""  # it has not told yet


def _run(home: Home, store: Store, termination: Termination, remote: Address | None) -> None:
    supervisor = Supervisor(home, store)
    with _serving(home, Calls(home=home, store=store, supervisor=supervisor), remote):
        try:
            hindrance, active, changed = "", list[int](), time.monotonic()
            while not termination.asked():
                started = time.monotonic()
                hindrance = _tick(home, store, supervisor, hindrance)
                before, active = active, supervisor.active()
                if active != before:
                    changed = started
                now = time.monotonic()
                termination.wait(pause_after(now - started, since_change=now - changed))
        finally:
            supervisor.close()


def pause_after(tick_seconds: float, *, since_change: float) -> float:
    """How long to rest after a tick, and so long after the active runs became others.

    Ten ticks a second, but at most a twentieth of one core, and later an eightieth: a training
    whose threads wait for each other loses more than what is taken from one of them.
    """
    share = 1 / 20 if since_change < YOUNG_SECONDS else 1 / 80
    return max(TICK_SECONDS - tick_seconds, min(tick_seconds / share, MOST_REST_SECONDS))


def _tick(home: Home, store: Store, supervisor: Supervisor, known: str) -> str:
    """One round; returns what hindered it. What is `known` already is not logged again."""
    hindrance = ""
    try:
        try:
            ingested = store.ingest_many(supervisor.active(), home.runs)
        except StoreUnavailable as error:
            hindrance, ingested = str(error), {}  # a run can be killed on a full disk too
        supervisor.tick(ingested)
        supervisor.stand_by()
    except LabError as error:
        hindrance = str(error)
    except Exception:
        # The outermost frame of the daemon: one bad tick must not end every run's recording.
        log.exception("a tick failed")
    if hindrance and hindrance != known:
        log.warning("%s", hindrance)
    return hindrance


@contextlib.contextmanager
def _serving(home: Home, calls: Calls, remote: Address | None) -> Generator[None]:
    local = at_home(home)
    home.daemon_info.unlink(missing_ok=True)  # a killed daemon's names a process that is gone
    with contextlib.ExitStack() as servers:
        for address in (local, remote):
            if address is not None:
                servers.enter_context(_server(address, calls))
        told = {"address": local.location, "pid": os.getpid(), "started": time.time()}
        atomic_write(home.daemon_info, json.dumps(told).encode())
        try:
            yield
        finally:
            home.daemon_info.unlink(missing_ok=True)


@contextlib.contextmanager
def _server(address: Address, calls: Calls) -> Generator[None]:
    address.clear()
    try:
        server = Server(address.location, calls, **address.security)
    except (pa.ArrowException, OSError):
        raise EngineUnavailable(
            f"the daemon cannot listen at {address.location}: another program listens there,"
            " or it is no address of this machine; name another one"
        ) from None
    address.close_to_others()
    # It answers already: `serve` would only wait, and take SIGTERM away from us.
    log.info("serving at %s", address.location)
    try:
        yield
    finally:
        server.shutdown()
