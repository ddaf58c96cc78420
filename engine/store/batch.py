"""What new journal lines say: rows, events, snapshots, checkpoints, how far the run has come."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Line = dict[str, Any]
Accuracies = tuple[int, dict[str, float]]
"""step, {split: accuracy}"""

_MOST = 1 << 62

ENDINGS = {
    "finished": "finished",
    "stopped": "stopped",
    "paused": "paused",
    "failed": "failed",
    "diverged": "failed",
    "returned": "queued",
}
"""State of a run by the reason of its `end` line."""


@dataclass(frozen=True, slots=True)
class Points:
    """Rows of `metrics`, column by column."""

    steps: list[int] = field(default_factory=list[int])
    splits: list[str] = field(default_factory=list[str])
    metrics: list[str] = field(default_factory=list[str])
    values: list[float] = field(default_factory=list[float])


@dataclass(slots=True)
class Batch:
    """The new lines of one run's journal, taken apart."""

    run_id: int
    attempt: int
    from_step: int
    byte_offset: int
    """Where the journal goes on after these lines."""
    more: bool = False
    """Whether lines were left for the next block, not those written since."""
    earlier_seconds: float = 0.0
    n_lines: int = 0
    n_malformed: int = 0
    points: Points = field(default_factory=Points)
    accuracies: list[Accuracies] = field(default_factory=list[Accuracies])
    events: list[tuple[int, str, dict[str, Any], datetime]] = field(
        default_factory=list[tuple[int, str, dict[str, Any], datetime]]
    )
    snapshots: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    checkpoints: list[Line] = field(default_factory=list[Line])
    acks: list[str] = field(default_factory=list[str])
    last_step: int = 0
    device: str | None = None
    train_seconds: float | None = None
    steps_per_second: float | None = None
    rss_bytes: int | None = None
    device_bytes: int | None = None
    threads: int | None = None
    majority: float | None = None
    ended: str | None = None
    ended_at: datetime | None = None
    message: str = ""
    cut_from: int | None = None
    """The stored offset, where the journal turned out to be shorter than that."""
    _readers: dict[str, Callable[[Line], None]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._readers = {
            "start": self._start,
            "task": self._task,
            "program": self._program,
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
            self._readers[line["e"]](line)
            self.last_step = max(self.last_step, _count(line.get("s", 0)))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
            return False
        return True

    def _start(self, line: Line) -> None:
        from_step, self.device = _count(line["from_step"]), _text(line["device"])
        self.last_step = max(self.last_step, from_step)

    def _task(self, line: Line) -> None:
        self.majority = _number(line["majority"])

    def _program(self, line: Line) -> None:
        """In which way it is computed: for whoever reads the journal, no result."""
        _text(line["reason"])

    def _evaluation(self, line: Line) -> None:
        step = _count(line["s"])
        if self.attempt > 1 and step <= self.from_step:
            return  # the earlier attempt has told it
        rows = [
            (split, metric, float(value))
            for split, metrics in line["v"].items()
            for metric, value in metrics.items()
        ]
        if not all(math.isfinite(value) for _, _, value in rows):
            raise ValueError(rows)
        _text("".join(split + metric for split, metric, _ in rows))
        accuracy = {split: value for split, metric, value in rows if metric == "accuracy"}
        if accuracy:
            self.accuracies.append((step, accuracy))
        for split, metric, value in rows:
            self.points.steps.append(step)
            self.points.splits.append(split)
            self.points.metrics.append(metric)
            self.points.values.append(value)

    def _snapshot(self, line: Line) -> None:
        self.snapshots.append((_count(line["s"]), _text(line["kind"]), _text(line["file"])))

    def _checkpoint(self, line: Line) -> None:
        self.checkpoints.append(
            {
                "step": _count(line["s"]),
                "file": _text(line["file"]),
                "bytes": _count(line["bytes"]),
                "sha256": _text(line["sha256"]),
                "kept": bool(line["kept"]),
            }
        )

    def _event(self, line: Line) -> None:
        payload: dict[str, Any] = dict(line["payload"])
        _text(json.dumps(payload, ensure_ascii=False, allow_nan=False))
        self.events.append((_count(line["s"]), _text(line["kind"]), payload, _time(line)))

    def _system(self, line: Line) -> None:
        rate, seconds = _number(line["steps_per_second"]), _number(line["train_seconds"])
        rss, device = _count(line["rss_bytes"]), _count(line["device_bytes"])
        # journals of earlier editions do not tell the threads
        threads = _count(line["threads"]) if "threads" in line else None
        self.steps_per_second, self.train_seconds, self.threads = rate, seconds, threads
        self.rss_bytes, self.device_bytes = rss, device

    def _acknowledgement(self, line: Line) -> None:
        self.acks.append(str(line["id"]))

    def _end(self, line: Line) -> None:
        reason, step, at = line["reason"], _count(line["s"]), _time(line)
        if reason not in ENDINGS:
            raise ValueError(reason)
        seconds, rate = _number(line["train_seconds"]), _number(line["steps_per_second"])
        self.message, self.ended, self.ended_at = _text(line["message"]), reason, at
        self.train_seconds, self.steps_per_second = seconds, rate
        if reason == "diverged":
            self.events.append((step, reason, {"message": self.message}, at))
        if reason == "failed":
            told = {"message": self.message, "traceback": _text(line.get("traceback", ""))}
            self.events.append((step, reason, told, at))


def _count(value: Any) -> int:
    number = int(value)
    if not 0 <= number <= _MOST:
        raise ValueError(value)
    return number


def _text(value: Any) -> str:
    text = str(value)
    text.encode()  # half a surrogate pair is no text, and would stop every later transaction
    return text


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _time(line: Line) -> datetime:
    return datetime.fromtimestamp(float(line["t"]), UTC).replace(tzinfo=None)
