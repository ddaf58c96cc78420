"""How the daemon is reached: an Arrow Flight server that turns calls into answers."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from inspect import signature
from typing import Any

import pyarrow as pa
from pyarrow import flight

from engine.config import InvalidConfig
from engine.daemon.calls import Calls
from engine.daemon.listening import require_known
from engine.errors import LabError


class Server(flight.FlightServerBase):  # pyright: ignore[reportUntypedBaseClass]
    """Answers calls; every failure of the user's doing goes back as a `LabError`."""

    def __init__(self, location: str, calls: Calls, **security: Any) -> None:
        super().__init__(location, **security)
        self._calls = calls

    def do_action(
        self, context: flight.ServerCallContext, action: flight.Action
    ) -> Iterator[flight.Result]:
        """A call that answers with JSON; one that brings a file has it after its first line."""
        require_known(context)
        calls, body, brought = self._calls.answers, action.body.to_pybytes(), {}
        if action.type in self._calls.uploads:
            calls = self._calls.uploads
            body, _, brought["content"] = body.partition(b"\n")
        answer = _guarded(calls, action.type, _object(body or b"{}") | brought)
        yield flight.Result(pa.py_buffer(json.dumps(answer, default=_plain).encode()))

    def do_get(
        self, context: flight.ServerCallContext, ticket: flight.Ticket
    ) -> flight.RecordBatchStream:
        """A call that answers with a table."""
        require_known(context)
        asked = _object(ticket.ticket)
        table = _guarded(self._calls.tables, asked.get("call"), asked.get("arguments", {}))
        return flight.RecordBatchStream(table)


def _guarded(calls: Any, name: Any, arguments: dict[str, Any]) -> Any:
    function: Callable[..., Any] | None = calls.get(name)
    if function is None:
        raise flight.FlightServerError(f"no call is named {name}")
    try:
        signature(function).bind(**arguments)
    except TypeError as error:
        raise flight.FlightServerError(f"{name}: {error}") from None
    try:
        return function(**arguments)
    except LabError as error:
        raise flight.FlightServerError(str(error), extra_info=_told(error)) from None


def _object(text: bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise flight.FlightServerError(f"a call is one JSON object: {error}") from None
    if not isinstance(content, dict):
        raise flight.FlightServerError(f"a call is one JSON object, got {content!r:.80}")
    return content


def _told(error: LabError) -> bytes:
    told: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, InvalidConfig):
        told["problems"] = [[problem.setting, problem.sentence] for problem in error.problems]
    return json.dumps(told).encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an answer")
