"""Which lines a journal has beyond what is stored."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.store.batch import Batch

BLOCK_BYTES = 4 << 20
"""Most bytes that one transaction takes from one journal, unless a line is longer."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far the journal of a run's current attempt has been stored."""

    attempt: int
    from_step: int
    offset: int
    earlier_seconds: float
    """Training alone, the run's earlier attempts."""


def journal_file(folder: Path, attempt: int) -> Path:
    """The journal of one attempt of the run in `folder`."""
    return folder / f"journal-{attempt:04d}.jsonl"


def read_batch(run_id: int, folder: Path, position: Position) -> Batch | None:
    """The whole lines past a position; None when there are none.

    A last line without its newline is left for later. What is returned is on the disk: after a
    power cut the database is never ahead of the journal. A journal that is shorter than the
    position (it was cut all the same) keeps its rows and goes on from its new end.
    """
    try:
        descriptor = os.open(journal_file(folder, position.attempt), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        if size == position.offset:
            return None
        if size < position.offset:
            return _cut(run_id, position, size)
        content = _whole_lines(descriptor, position.offset)
        if not content:
            return None
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    batch = _empty(run_id, position, position.offset + len(content))
    batch.more = size - position.offset > BLOCK_BYTES and size > batch.byte_offset
    return _parsed(content, batch)


def _whole_lines(descriptor: int, offset: int) -> bytes:
    content = os.pread(descriptor, BLOCK_BYTES, offset)
    end = content.rfind(b"\n") + 1
    while not end and len(content) >= BLOCK_BYTES:
        more = os.pread(descriptor, BLOCK_BYTES, offset + len(content))
        if not more:
            break
        content += more
        end = content.rfind(b"\n") + 1
    return content[:end]


def _parsed(content: bytes, batch: Batch) -> Batch:
    for text in content.decode(errors="replace").split("\n")[:-1]:
        batch.n_lines += 1
        if not batch.take(_object(text)):
            batch.n_malformed += 1
    return batch


def _object(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _cut(run_id: int, position: Position, size: int) -> Batch:
    batch = _empty(run_id, position, size)
    batch.cut_from = position.offset
    return batch


def _empty(run_id: int, position: Position, offset: int) -> Batch:
    return Batch(
        run_id,
        position.attempt,
        from_step=position.from_step,
        byte_offset=offset,
        earlier_seconds=position.earlier_seconds,
    )
