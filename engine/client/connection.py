"""How a call reaches the daemon: Arrow Flight, with the daemon started on demand."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pyarrow import flight

from engine import errors
from engine.client.remote import ADDRESS, remote_client
from engine.config.problems import InvalidConfig, Problem
from engine.daemon.election import ALREADY_RUNNING
from engine.errors import EngineUnavailable, LabError
from engine.home import ENVIRONMENT, Home, unusable

START_SECONDS = 30.0
"""How long a daemon may take to answer after it was started."""
ANSWER_SECONDS = 120.0
"""How long one call may take before the daemon counts as stuck."""

Answer = TypeVar("Answer")

_started: list[subprocess.Popen[bytes]] = []
"""Daemons that this process started: they outlive it, and are reaped here if they end before."""


class Connection:
    """One Flight client, replaced when the daemon restarts."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._client: flight.FlightClient | None = None

    def ask(
        self, call: str, arguments: dict[str, Any], *, repeat: bool, content: bytes | None = None
    ) -> Any:
        """The JSON answer to a call; `repeat` allows a second try after a lost connection.

        `content` goes along as it is, for the calls that take a file.
        """
        body = json.dumps(arguments).encode()
        if content is not None:
            body = b"\n".join((body, content))

        def act(client: flight.FlightClient) -> Any:
            (result,) = client.do_action(flight.Action(call, body), _patience())
            return json.loads(result.body.to_pybytes())

        return self._with_client(act, call, repeat=repeat)

    def fetch(self, call: str, arguments: dict[str, Any]) -> pa.Table:
        """The table that answers a query."""
        ticket = flight.Ticket(json.dumps({"call": call, "arguments": arguments}).encode())
        return self._with_client(
            lambda c: c.do_get(ticket, _patience()).read_all(), call, repeat=True
        )

    def _with_client(
        self, act: Callable[[flight.FlightClient], Answer], call: str, *, repeat: bool
    ) -> Answer:
        deadline = time.monotonic() + START_SECONDS
        while True:
            client = self._connected(checked=not repeat)
            try:
                return act(client)
            except flight.FlightServerError as error:
                raise _translated(error) from None
            except flight.FlightTimedOutError as error:
                raise EngineUnavailable(_stuck(call, self._home)) from error
            except (flight.FlightError, pa.ArrowException, OSError) as error:
                self._forget(client)
                if not repeat or time.monotonic() > deadline:
                    raise EngineUnavailable(_gone(call)) from error
                time.sleep(0.05)

    def _connected(self, *, checked: bool) -> flight.FlightClient:
        """The client at hand; a command, which is sent only once, asks for a checked one."""
        with self._lock:
            if self._client is not None and checked and not _answers(self._client):
                self._client.close()
                self._client = None
            if self._client is None:
                self._client = connect_or_start(self._home)
            return self._client

    def _forget(self, client: flight.FlightClient) -> None:
        with self._lock:
            if self._client is client:
                self._client = None
                client.close()


def connect_or_start(home: Home) -> flight.FlightClient:
    """A client of the home's daemon, which is started if it does not answer.

    Raises:
        EngineUnavailable: when no daemon answers within `START_SECONDS`, or it fails to start.
    """
    if (remote := remote_client()) is not None:
        return _checked(remote)
    deadline = time.monotonic() + START_SECONDS
    started: subprocess.Popen[bytes] | None = None
    while time.monotonic() < deadline:
        if (client := _answering(home)) is not None:
            return client
        if started is not None and _gave_up(started):
            raise EngineUnavailable(f"the engine did not start: {_last_line(home)}")
        if started is None or started.poll() is not None:
            try:
                started = _start_daemon(home)
            except OSError as error:
                raise EngineUnavailable(unusable(home, error)) from error
        time.sleep(0.05)
    raise EngineUnavailable(
        f"the engine did not answer within {START_SECONDS:g} s; its log is {home.daemon_log}"
    )


def _checked(client: flight.FlightClient) -> flight.FlightClient:
    try:
        list(client.do_action(flight.Action("ping", b"{}"), flight.FlightCallOptions(timeout=10)))
    except (flight.FlightError, pa.ArrowException) as error:
        client.close()
        words = str(error).split(". Detail", 1)[0]
        raise EngineUnavailable(f"the engine at {os.environ[ADDRESS]}: {words}") from error
    return client


def _gave_up(daemon: subprocess.Popen[bytes]) -> bool:
    """Whether it ended by itself, for no good reason: a signal, or another daemon, is one."""
    status = daemon.poll()
    return status is not None and status > 0 and status != ALREADY_RUNNING


def _last_line(home: Home) -> str:
    lines = home.daemon_log.read_text(errors="replace").strip().splitlines()
    return f"{lines[-1] if lines else 'it wrote nothing'} (the whole log: {home.daemon_log})"


def _answering(home: Home) -> flight.FlightClient | None:
    if not home.daemon_info.exists():
        return None
    try:
        address = json.loads(home.daemon_info.read_text())["address"]
        client = flight.FlightClient(address)
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException):
        return None  # a file that nobody wrote whole
    if _answers(client):
        return client
    client.close()
    return None


def _answers(client: flight.FlightClient) -> bool:
    try:
        list(client.do_action(flight.Action("ping", b"{}"), flight.FlightCallOptions(timeout=5)))
    except (flight.FlightError, pa.ArrowException):
        return False
    return True


def _start_daemon(home: Home) -> subprocess.Popen[bytes]:
    home.create()
    _started[:] = [daemon for daemon in _started if daemon.poll() is None]
    with home.daemon_log.open("ab") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "engine", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, ENVIRONMENT: str(home.path)},
            cwd=Path(__file__).parents[2],
        )
    _started.append(daemon)
    return daemon


def _patience() -> flight.FlightCallOptions:
    return flight.FlightCallOptions(timeout=ANSWER_SECONDS)


def _stuck(call: str, home: Home) -> str:
    return (
        f"the engine did not answer '{call}' within {ANSWER_SECONDS:g} s; look at its log"
        f" {home.daemon_log}, or end it: runs go on without it, and the next call starts another"
    )


def _gone(call: str) -> str:
    return f"the engine went away during '{call}'; look at the runs before trying again"


def _translated(error: flight.FlightServerError) -> LabError:
    try:
        told = json.loads(error.extra_info)
        kind = getattr(errors, told["error"], LabError)
        if told.get("problems"):
            return InvalidConfig([Problem(*pair) for pair in told["problems"]])
        return kind(told["message"])
    except (ValueError, KeyError, TypeError):
        return EngineUnavailable(f"the engine failed: {error}")
