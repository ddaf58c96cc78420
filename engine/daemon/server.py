"""How the daemon is reached: an Arrow Flight server that turns calls into answers."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyarrow import flight

from engine.config import InvalidConfig
from engine.daemon.calls import Calls
from engine.errors import LabError


class Server(flight.FlightServerBase):  # pyright: ignore[reportUntypedBaseClass]
    """Answers calls; every failure of the user's doing goes back as a `LabError`."""

    def __init__(self, location: str, calls: Calls, **security: Any) -> None:
        super().__init__(location, **security)
        self._calls = calls

    def do_action(
        self, context: flight.ServerCallContext, action: flight.Action
    ) -> Iterator[flight.Result]:
        """A call that answers with JSON."""
        del context
        answer = _guarded(
            self._calls.answers, action.type, json.loads(action.body.to_pybytes() or b"{}")
        )
        yield flight.Result(pa.py_buffer(json.dumps(answer, default=_plain).encode()))

    def do_get(
        self, context: flight.ServerCallContext, ticket: flight.Ticket
    ) -> flight.RecordBatchStream:
        """A call that answers with a table."""
        del context
        asked = json.loads(ticket.ticket)
        table = _guarded(self._calls.tables, asked["call"], asked["arguments"])
        return flight.RecordBatchStream(table)


def _guarded(calls: Any, name: str, arguments: dict[str, Any]) -> Any:
    function: Callable[..., Any] | None = calls.get(name)
    if function is None:
        raise flight.FlightServerError(f"no call is named {name}")
    try:
        return function(**arguments)
    except LabError as error:
        raise flight.FlightServerError(str(error), extra_info=_told(error)) from None


def _told(error: LabError) -> bytes:
    told: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, InvalidConfig):
        told["problems"] = [[problem.setting, problem.sentence] for problem in error.problems]
    return json.dumps(told).encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an answer")
