"""How long a worker may take to obey, what is said meanwhile, and what is done in the end."""

import secrets
from dataclasses import dataclass, field
from typing import Literal

from engine.worker.control import Command, Verb

SILENCE_SECONDS = 5.0
"""After this a person is told that the worker has not answered."""
STOP_PATIENCE_SECONDS = 60.0
"""A worker that has not obeyed a stop by then is ended."""
TERM_PATIENCE_SECONDS = 5.0
"""Between SIGTERM and SIGKILL."""

Measure = Literal["wait", "tell", "terminate", "kill"]
Asked = Verb | Literal["kill"]

_PROMISES: dict[Asked, str] = {
    "pause": "pausing…",
    "stop": "stopping…",
    "kill": "killing…",
    "checkpoint": "saving…",
}


def promise(verb: Asked, last_step: int) -> str:
    """What a person is told while a command is under way; it is kept as the run's reason."""
    return f"{_PROMISES[verb]} last step {last_step:,}"


def promised(state: str, reason: str) -> Asked | None:
    """What a run that is still under way was promised, as its state and reason tell."""
    for verb, words in _PROMISES.items():
        if reason.startswith(words):
            return verb
    return "stop" if state == "stopping" else None


@dataclass(slots=True)
class Demand:
    """What was asked of one run and when; times are monotonic seconds."""

    verb: Asked
    asked: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    terminated: float | None = None
    told: bool = False
    answered: bool = False

    @property
    def command(self) -> Command:
        """The demand as the worker reads it; a kill is no command."""
        assert self.verb != "kill"
        return Command(self.id, self.verb)

    def measure(self, now: float) -> Measure:
        """What is to be done about it at this moment."""
        if self.terminated is not None:
            return "kill" if now - self.terminated > TERM_PATIENCE_SECONDS else "wait"
        if self.verb == "kill":
            return "terminate"
        if self.verb == "stop" and now - self.asked > STOP_PATIENCE_SECONDS:
            return "terminate"
        if now - self.asked > SILENCE_SECONDS and not self.told and not self.answered:
            return "tell"
        return "wait"
