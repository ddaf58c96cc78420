"""What can be asked of a run, and what has been."""

from collections.abc import Mapping, Sequence
from typing import Any

from app import session

Run = Mapping[str, Any]

MAY: dict[str, frozenset[str]] = {
    "pause": frozenset({"queued", "starting", "running"}),
    "resume": frozenset({"paused", "lost", "stopped", "failed"}),
    "stop": frozenset({"queued", "starting", "running", "paused"}),
    "kill": frozenset({"starting", "running", "stopping"}),
    "delete": frozenset({"queued", "paused", "finished", "stopped", "failed", "lost"}),
    "extend": frozenset({"paused", "finished", "stopped", "lost"}),
}
"""In which states a command makes sense; the engine has the last word."""

_TOO_EARLY = ("queued", "starting")
"""No checkpoint can exist yet."""


def able(verb: str, runs: Sequence[Run]) -> list[Run]:
    """Those of the runs of which it makes sense to ask this."""
    if verb == "note":
        return list(runs[:1])
    if verb == "fork":
        return list(runs) if len(runs) == 1 and runs[0]["state"] not in _TOO_EARLY else []
    return [run for run in runs if run["state"] in MAY[verb]]


def ask(run: Run, verb: str) -> None:
    """Ask it of the engine, and remember that until the run's state changes."""
    getattr(session.lab(), verb)(run["run_id"])
    _asked()[run["run_id"]] = (verb, str(run["state"]))


def _asked() -> dict[int, tuple[str, str]]:
    return session.recall("asked", dict[int, tuple[str, str]]())


def asked(runs: Sequence[Run]) -> dict[int, str]:
    """What was asked of those of the runs whose state has not changed since."""
    states = {run["run_id"]: run["state"] for run in runs}
    for run_id, (_, state) in list(_asked().items()):
        if states.get(run_id, state) != state:
            del _asked()[run_id]
    return {run_id: verb for run_id, (verb, _) in _asked().items() if run_id in states}
