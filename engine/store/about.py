"""What is known of a run besides its journals, beside them: enough to rebuild a lost database."""

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.home import RunFolder, atomic_write
from engine.store.rows import Row

_FILE = "about.json"


class Note(BaseModel):
    """What somebody pinned to a step."""

    step: int
    text: str
    at: datetime


class About(BaseModel):
    """A run as people and the queue see it."""

    name: str = ""
    created: datetime | None = None
    sweep_id: str | None = None
    parent_run: int | None = None
    parent_step: int | None = None
    tags: list[str] = []
    notes: str = ""
    code_version: str = ""
    config: dict[str, Any] = {}
    pinned: list[Note] = []


def write_about(folder: RunFolder, row: Row, events: Sequence[Row]) -> None:
    """Write down what the database holds of a run: its row, and the notes among its events.

    On a full disk the file is left out: the database has it, and the next change writes it again.
    """
    pinned = [
        {"step": event["step"], "text": event["payload"]["text"], "at": event["at"]}
        for event in events
        if event["kind"] == "note" and "text" in event["payload"]
    ]
    known = {name: row[name] for name in About.model_fields if name != "pinned"}
    about = About.model_validate({**known, "pinned": pinned})
    with contextlib.suppress(OSError):
        atomic_write(folder.create().path / _FILE, about.model_dump_json(indent=1).encode())


def read_about(folder: RunFolder) -> About | None:
    """What was written down, or else what `config.json` says; None for what is left of no run."""
    try:
        about = About.model_validate_json((folder.path / _FILE).read_bytes())
    except (OSError, ValidationError):
        config = _config(folder)
        if config is None:
            return None
        about = About(name=f"run {folder.path.name}", config=config)
    if about.created is None:
        modified = folder.path.stat().st_mtime
        about = about.model_copy(update={"created": datetime.fromtimestamp(modified, UTC)})
    return about


def remove_about(folder: RunFolder) -> None:
    """Forget the run, so that no rebuild brings it back."""
    (folder.path / _FILE).unlink(missing_ok=True)


def _config(folder: RunFolder) -> dict[str, Any] | None:
    try:
        config = json.loads(folder.config.read_bytes())
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None
