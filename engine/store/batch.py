"""What new journal lines say: rows, events, snapshots, checkpoints, how far the run has come."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Line = dict[str, Any]
Evaluation = tuple[int, dict[str, dict[str, float]]]

ENDINGS = {
    "finished": "finished",
    "stopped": "stopped",
    "paused": "paused",
    "failed": "failed",
    "diverged": "failed",
}
"""State of a run by the reason of its `end` line."""


@dataclass(slots=True)
class Batch:
    """The new lines of one run's journal, taken apart."""

    run_id: int
    attempt: int
    from_step: int
    offset: int
    n_lines: int = 0
    n_malformed: int = 0
    evaluations: list[Evaluation] = field(default_factory=list[Evaluation])
    events: list[tuple[int, str, dict[str, Any], datetime]] = field(
        default_factory=list[tuple[int, str, dict[str, Any], datetime]]
    )
    snapshots: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    checkpoints: list[Line] = field(default_factory=list[Line])
    acks: list[str] = field(default_factory=list[str])
    last_step: int = 0
    device: str | None = None
    started: bool = False
    train_seconds: float | None = None
    steps_per_second: float | None = None
    rss_bytes: int | None = None
    device_bytes: int | None = None
    ended: str | None = None
    ended_at: datetime | None = None
    message: str = ""
    cut_from: int | None = None
    """The stored offset, where the journal turned out to be shorter than that."""
    _readers: dict[str, Callable[[Line], None]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._readers = {
            "start": self._start,
            "m": self._evaluation,
            "snap": self._snapshot,
            "ckpt": self._checkpoint,
            "event": self._event,
            "sys": self._system,
            "ack": self._acknowledgement,
            "end": self._end,
        }

    def take(self, line: Line) -> bool:
        """Take in one line; False, and nothing taken, when it says nothing a journal may say."""
        try:
            reader = self._readers[line["e"]]
            reader(line)
            self.last_step = max(self.last_step, int(line.get("s", 0)))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return False
        return True

    def _start(self, line: Line) -> None:
        self.device = str(line["device"])
        self.started = True
        from_step = int(line["from_step"])
        self.last_step = max(self.last_step, from_step)

    def _evaluation(self, line: Line) -> None:
        step = int(line["s"])
        values = {
            str(split): {str(metric): _number(value) for metric, value in metrics.items()}
            for split, metrics in line["v"].items()
        }
        if self.attempt == 1 or step > self.from_step:  # else the earlier attempt has told it
            self.evaluations.append((step, values))

    def _snapshot(self, line: Line) -> None:
        self.snapshots.append((int(line["s"]), str(line["kind"]), str(line["file"])))

    def _checkpoint(self, line: Line) -> None:
        self.checkpoints.append(
            {
                "step": int(line["s"]),
                "file": str(line["file"]),
                "bytes": int(line["bytes"]),
                "sha256": str(line["sha256"]),
                "kept": bool(line["kept"]),
            }
        )

    def _event(self, line: Line) -> None:
        payload: dict[str, Any] = dict(line["payload"])
        self.events.append((int(line["s"]), str(line["kind"]), payload, _time(line)))

    def _system(self, line: Line) -> None:
        rate, seconds = _number(line["steps_per_second"]), _number(line["train_seconds"])
        rss, device = int(line["rss_bytes"]), int(line["device_bytes"])
        self.steps_per_second, self.train_seconds = rate, seconds
        self.rss_bytes, self.device_bytes = rss, device

    def _acknowledgement(self, line: Line) -> None:
        self.acks.append(str(line["id"]))

    def _end(self, line: Line) -> None:
        reason, step, at = str(line["reason"]), int(line["s"]), _time(line)
        if reason not in ENDINGS:
            raise ValueError(reason)
        seconds, rate = _number(line["train_seconds"]), _number(line["steps_per_second"])
        self.message, self.ended, self.ended_at = str(line["message"]), reason, at
        self.train_seconds, self.steps_per_second = seconds, rate
        if reason == "diverged":
            self.events.append((step, reason, {"message": self.message}, at))


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _time(line: Line) -> datetime:
    return datetime.fromtimestamp(float(line["t"]), UTC).replace(tzinfo=None)
