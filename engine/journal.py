"""What a run's journal says: the shape of each line, and how lines are read back.

A journal is append-only JSON, one object a line. It ends at its last newline: what follows is a
line that its writer never finished, and is ignored. Keys are listed in docs/architecture.md.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

Line = dict[str, Any]
EndReason = Literal["finished", "stopped", "paused", "failed", "diverged", "returned"]

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
BLOCK_BYTES = 1 << 22
"""Most bytes that one call of `read_lines` takes, so that a long journal arrives in parts."""


def encode(line_kind: str, **keys: Any) -> bytes:
    """One line, newline included; `t` is now. Non-finite numbers raise ValueError."""
    line: Line = {"e": line_kind, **keys, "t": round(time.time(), 3)}
    return _ENCODER.encode(line).encode() + b"\n"


def start_line(
    *, attempt: int, from_step: int, pid: int, device: str, threads: int, versions: dict[str, str]
) -> bytes:
    """The first line of every attempt."""
    return encode(
        "start",
        attempt=attempt,
        from_step=from_step,
        pid=pid,
        device=device,
        threads=threads,
        versions=versions,
    )


def task_line(step: int, *, majority: float) -> bytes:
    """What is known of a task once it is built: the accuracy of its most frequent answer."""
    return encode("task", s=step, majority=majority)


def program_line(
    step: int, *, compiled: bool, replayed: bool, spreads: bool, reason: str
) -> bytes:
    """In which way the attempt's steps are computed, and why they are compiled or not."""
    return encode(
        "program", s=step, compiled=compiled, replayed=replayed, spreads=spreads, reason=reason
    )


def metrics_line(step: int, values: Mapping[str, Mapping[str, float]]) -> bytes:
    """One evaluation: split → metric → value; split "" holds metrics of no split."""
    return encode("m", s=step, v={split: dict(metrics) for split, metrics in values.items()})


def snapshot_line(step: int, kind: str, file: str) -> bytes:
    """A snapshot file is complete on disk."""
    return encode("snap", s=step, kind=kind, file=file)


def checkpoint_line(step: int, *, file: str, size: int, sha256: str, kept: bool) -> bytes:
    """A checkpoint file is complete on disk."""
    return encode("ckpt", s=step, file=file, bytes=size, sha256=sha256, kept=kept)


def event_line(step: int, kind: str, payload: Mapping[str, Any]) -> bytes:
    """Something happened at a step."""
    return encode("event", s=step, kind=kind, payload=dict(payload))


def system_line(
    step: int,
    *,
    steps_per_second: float,
    train_seconds: float,
    rss_bytes: int,
    device_bytes: int,
    threads: int,
) -> bytes:
    """The worker's rate, memory and threads."""
    return encode(
        "sys",
        s=step,
        steps_per_second=round(steps_per_second, 3),
        train_seconds=round(train_seconds, 3),
        rss_bytes=rss_bytes,
        device_bytes=device_bytes,
        threads=threads,
    )


def acknowledgement_line(step: int, *, command_id: str, command: str) -> bytes:
    """A command was obeyed at a step."""
    return encode("ack", s=step, id=command_id, command=command)


def end_line(
    step: int,
    reason: EndReason,
    *,
    message: str = "",
    traceback: str = "",
    train_seconds: float = 0.0,
    steps_per_second: float = 0.0,
) -> bytes:
    """The last line of an attempt."""
    return encode(
        "end",
        s=step,
        reason=reason,
        message=message,
        traceback=traceback,
        train_seconds=round(train_seconds, 3),
        steps_per_second=round(steps_per_second, 3),
    )


def read_lines(path: Path, offset: int = 0) -> tuple[list[Line], int]:
    """The complete lines from a byte offset on, and the offset after the last of them.

    Reads at most `BLOCK_BYTES` (or one line, if that is longer); call again until the offset
    stays. A missing journal has no lines. A complete line that is no JSON object is skipped.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(BLOCK_BYTES)
            if content and b"\n" not in content:
                content += file.read()
    except FileNotFoundError:
        return [], offset
    complete = content[: content.rfind(b"\n") + 1]
    parsed = (_parse(line) for line in complete.splitlines())
    return [line for line in parsed if line is not None], offset + len(complete)


def _parse(line: bytes) -> Line | None:
    try:
        parsed = json.loads(line)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and "e" in parsed else None
