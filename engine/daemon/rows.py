"""How the supervisor reads a row of `runs`."""

import json
from collections.abc import Mapping
from typing import Any

from engine.config import RunConfig, parse_config
from engine.errors import RunNotFound
from engine.store import Store

Row = Mapping[str, Any]


def find(store: Store, run_id: int) -> Row:
    """The row of a run.

    Raises:
        RunNotFound: no run has this number.
    """
    rows = store.runs([run_id])
    if not rows:
        raise RunNotFound(f"there is no run {run_id}; it may have been deleted")
    return rows[0]


def config_of(row: Row) -> RunConfig:
    """The run's configuration, checked again: it may have been written by an older lab."""
    config = row["config"]
    return parse_config(json.loads(config) if isinstance(config, str) else config)


def last_step(row: Row) -> int:
    """The last step that the journal tells of."""
    return row["last_step"] or 0
