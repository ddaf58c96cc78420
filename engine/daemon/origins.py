"""From which checkpoint a run goes on: the latest one whose bytes are those that were written."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.home import RunFolder


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an attempt starts; `file` None is the beginning."""

    step: int = 0
    file: Path | None = None
    sha256: str = ""
    remark: str = ""
    """What a person should know: a damaged checkpoint was passed over, or there was none."""

    def as_json(self) -> dict[str, Any] | None:
        """The `from` of `launch.json`."""
        if self.file is None:
            return None
        return {"file": str(self.file), "step": self.step, "sha256": self.sha256}


def find_origin(folder: RunFolder, checkpoints: Iterable[Mapping[str, Any]]) -> Origin:
    """The latest intact checkpoint of a run, or the one that it was forked from, or the start."""
    damaged: list[int] = []
    for row in sorted(checkpoints, key=lambda row: row["step"], reverse=True):
        file = folder.path / row["file"]
        if digest(file) == row["sha256"]:
            return Origin(row["step"], file, row["sha256"], _remark(damaged, row["step"]))
        damaged.append(row["step"])
    inherited = _inherited(folder.launch)
    if inherited is not None:
        return inherited
    return Origin(remark=_remark(damaged, 0))


def digest(file: Path) -> str:
    """The SHA-256 of a file; empty when it is missing."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _inherited(launch: Path) -> Origin | None:
    try:
        start = json.loads(launch.read_bytes()).get("from")
    except (FileNotFoundError, ValueError):
        return None
    if not start or digest(Path(start["file"])) != start["sha256"]:
        return None
    return Origin(start["step"], Path(start["file"]), start["sha256"])


def _remark(damaged: list[int], step: int) -> str:
    if not damaged:
        return ""
    passed = ", ".join(f"{number:,}" for number in damaged)
    return f"the checkpoint of step {passed} is damaged or missing; going on from step {step:,}"
