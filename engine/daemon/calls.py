"""What may be asked of the daemon: every call by name, with the function that answers it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.config import MOST_SEEDS, RunConfig, parse_config
from engine.daemon import refusals
from engine.daemon.estimate import estimate
from engine.daemon.example import example
from engine.daemon.exporting import export_network
from engine.daemon.health import health
from engine.daemon.placing import cpu_slots
from engine.daemon.supervisor import Supervisor
from engine.daemon.uploads import Uploads
from engine.daemon.waiting import Waiting
from engine.errors import RunNotFound, SettingsError
from engine.home import Home
from engine.store import Store


class Calls:
    """The answers of one daemon: `answers` and `uploads` give JSON, `tables` give Arrow."""

    def __init__(self, *, home: Home, store: Store, supervisor: Supervisor) -> None:
        self._home, self._store, self._supervisor = home, store, supervisor
        self._waiting = Waiting(home, supervisor.active)
        uploads = Uploads(home)
        self.answers: Mapping[str, Callable[..., Any]] = {
            "ping": lambda: "pong",
            "runs": self._runs,
            "version": self._version,
            "look": self._look,
            "events": store.events,
            "snapshot_steps": lambda run_id, kind: store.snapshot_steps([run_id], kind)[run_id],
            "checkpoints": store.checkpoints,
            "slots": supervisor.slots,
            "estimate": self._estimate,
            "example": example,
            "health": lambda: health(home, store),
            "launch": self._launch,
            "pause": supervisor.pause,
            "resume": supervisor.resume,
            "stop": supervisor.stop,
            "kill": supervisor.kill,
            "delete": supervisor.delete,
            "fork": supervisor.fork,
            "extend": supervisor.extend,
            "update_run": self._update_run,
            "add_note": self._add_note,
            "export": self._export,
            "export_network": self._export_network,
            "redetect": store.redetect,
            "uploads": uploads.kept,
            "describe_upload": uploads.describe,
        }
        self.uploads: Mapping[str, Callable[..., Any]] = {"upload": uploads.take}
        self.tables: Mapping[str, Callable[..., pa.Table]] = {
            "curves": store.curves,
            "rows_after": self._rows_after,
            "snapshot": store.snapshot,
            "select": store.select,
        }

    def _runs(self, run_ids: Sequence[int] | None) -> list[dict[str, Any]]:
        rows = self._store.runs(run_ids)
        missing = sorted(set(run_ids or ()) - {row["run_id"] for row in rows})
        if missing:
            raise RunNotFound(f"there is no run {missing[0]}; it may have been deleted")
        self._waiting.tell(rows)
        return rows

    def _version(self) -> int:
        return self._store.version() + self._waiting.changes()

    def _look(self, run_ids: Sequence[int], version: int) -> dict[str, Any] | None:
        now = self._version()  # before the rows: what comes in between is told the next time
        if now == version:
            return None
        rows = self._store.runs(run_ids)
        self._waiting.tell(rows)
        return {
            "version": now,
            "runs": rows,
            "events": self._store.events(run_ids),
            "snapshot_steps": list(self._store.snapshot_steps(run_ids).items()),
        }

    def _launch(
        self, *, config: Mapping[str, Any], name: str, seeds: int, tags: Sequence[str], notes: str
    ) -> list[int]:
        if not 1 <= seeds <= MOST_SEEDS:
            raise SettingsError(f"seeds must lie between 1 and {MOST_SEEDS}, got {seeds}")
        first = parse_config(config)
        every = seeded(first, seeds)
        refusals.check(every)
        configs = [c.model_dump(mode="json") for c in every]
        return self._supervisor.launch(configs, name=name, tags=tags, notes=notes)

    def _estimate(self, *, config: Mapping[str, Any], seeds: int) -> dict[str, Any]:
        wanted = self._supervisor.settled(parse_config(config))
        slots = cpu_slots(wanted, self._supervisor.machine)
        room = self._supervisor.room_for(wanted)
        return estimate(wanted, self._store.runs(), seeds=seeds, cpu_slots=slots, room_bytes=room)

    def _update_run(self, run_id: int, **fields: Any) -> None:
        changed = {name: value for name, value in fields.items() if value is not None}
        self._store.update_run(run_id, **changed)

    def _add_note(self, run_id: int, step: int, text: str) -> None:
        self._store.add_event(run_id, step, "note", {"text": text})

    def _export(self, run_ids: Sequence[int], file: str) -> None:
        self._store.export(run_ids, Path(file))

    def _export_network(self, run_id: int, folder: str, at: int | None) -> dict[str, Any]:
        (run,) = self._runs([run_id])
        checkpoints, source = self._store.checkpoints(run_id), self._home.run(run_id)
        return export_network(run, checkpoints, source, Path(folder), at=at)

    def _rows_after(self, cursors: Sequence[tuple[int, int]], metrics: Sequence[str]) -> pa.Table:
        return self._store.rows_after(dict(cursors), metrics=metrics)


def seeded(config: RunConfig, seeds: int) -> list[RunConfig]:
    """`seeds` copies of a configuration with consecutive seeds, the first one as given."""
    first = config.training.seed
    return [
        config.model_copy(
            update={"training": config.training.model_copy(update={"seed": first + offset})}
        )
        for offset in range(seeds)
    ]
