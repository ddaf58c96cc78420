"""What anything outside the daemon can ask of the lab: one object, one method a question."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from data.uploads import shelf
from engine.client.connection import Connection
from engine.config import RunConfig
from engine.home import Home

Row = dict[str, Any]


class Lab:
    """A client of the daemon of one home; safe to share between threads.

    Every method raises a `LabError` whose text can be shown as it is. Reads are repeated when
    the daemon restarts; commands are sent once.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._connection = Connection(home)

    # reading

    def runs(self, run_ids: Sequence[int] | None = None) -> list[Row]:
        """Runs with their latest values and markers, newest last."""
        return self._read("runs", run_ids=_listed(run_ids))

    def curves(
        self,
        run_ids: Sequence[int],
        *,
        metrics: Sequence[str] = ("accuracy", "loss"),
        splits: Sequence[str] | None = None,
        lo: int = 1,
        hi: int | None = None,
        buckets: int = 400,
        log: bool = True,
    ) -> pa.Table:
        """(run_id, split, metric, step, value), smallest and largest value of every bucket.

        `lo` and `hi` are steps; the schema's metadata counts points shown and stored.
        """
        return self._table(
            "curves",
            run_ids=_listed(run_ids),
            metrics=list(metrics),
            splits=_listed(splits),
            lo=lo,
            hi=hi,
            buckets=buckets,
            log=log,
        )

    def rows_after(
        self, cursors: Mapping[int, int], *, metrics: Sequence[str] = ("accuracy", "loss")
    ) -> pa.Table:
        """The rows of each run past the step named for it."""
        pairs = [[run, step] for run, step in cursors.items()]
        return self._table("rows_after", cursors=pairs, metrics=list(metrics))

    def version(self) -> int:
        """A number that grows whenever something that a page shows has changed."""
        return self._read("version")

    def look(self, run_ids: Sequence[int], version: int = -1) -> Row | None:
        """Everything but points that a page shows of these runs; None when nothing has changed.

        A dictionary of `version`, `runs` and `events` as the calls of these names give them, and
        `snapshot_steps`, a list of [run number, steps with attention maps]. Runs that are gone
        are left out. `version` is that of an earlier look.
        """
        return self._read("look", run_ids=_listed(run_ids), version=version)

    def events(self, run_ids: Sequence[int]) -> list[Row]:
        """Markers, notes and commands of the runs, oldest first."""
        return self._read("events", run_ids=_listed(run_ids))

    def snapshot_steps(self, run_id: int, kind: str = "attention") -> list[int]:
        """The steps at which the inside of the network was recorded."""
        return self._read("snapshot_steps", run_id=run_id, kind=kind)

    def snapshot(self, run_id: int, kind: str, step: int) -> pa.Table:
        """The snapshot nearest before `step`: (layer, head, shape, data as float32 bytes)."""
        return self._table("snapshot", run_id=run_id, kind=kind, step=step)

    def checkpoints(self, run_id: int) -> list[Row]:
        """Where the run can be forked or resumed."""
        return self._read("checkpoints", run_id=run_id)

    def slots(self) -> Row:
        """How many workers may run, how many do, and which runs wait."""
        return self._read("slots")

    def estimate(self, config: RunConfig | Mapping[str, Any], *, seeds: int = 1) -> Row:
        """Predicted size and duration of a launch: parameters, examples, memory, rate, seconds.

        Raises NotPossible where it could not train here.
        """
        return self._read("estimate", config=_tree(config), seeds=seeds)

    def example(self, config: RunConfig | Mapping[str, Any]) -> Row:
        """A drawn row of each split of the task, and its chance and majority baselines."""
        return self._read("example", config=_tree(config))

    def health(self) -> Row:
        """Versions, device, home and database of the daemon."""
        return self._read("health")

    def select(self, sql: str, *, limit: int = 10_000) -> pa.Table:
        """The answer to one SELECT statement; nothing else is allowed."""
        return self._table("select", sql=sql, limit=limit)

    def uploads(self) -> list[Row]:
        """The examples, then what was uploaded, newest first: `sha256`, `example`, `bytes`."""
        return self._read("uploads")

    def describe_upload(self, sha256: str, *, kind: str, header: bool = False) -> Row:
        """What is understood of a kept upload: as `upload` says."""
        return self._read("describe_upload", sha256=sha256, kind=kind, header=header)

    # commands

    def upload(self, content: bytes, *, kind: str, header: bool = False) -> Row:
        """Check and keep a file for the task `kind`, `table` or `triples`; twice is once.

        Returns its name `sha256`, how many `rows`, `fields`, different `names` and `answers` were
        found, the `first` rows, and its `bytes`. A file with lines that cannot be used is refused
        as an `UploadRefused` that names them, and not kept.
        """
        shelf.check_size(len(content))
        arguments = {"kind": kind, "header": header}
        return self._connection.ask("upload", arguments, repeat=True, content=content)

    def launch(
        self,
        config: RunConfig | Mapping[str, Any],
        *,
        name: str = "",
        seeds: int = 1,
        tags: Sequence[str] = (),
        notes: str = "",
    ) -> list[int]:
        """Queue `seeds` runs that differ in their seed alone; returns their numbers."""
        return self._command(
            "launch", config=_tree(config), name=name, seeds=seeds, tags=list(tags), notes=notes
        )

    def pause(self, run_id: int) -> None:
        """Checkpoint the run and free its process; `resume` goes on from there."""
        self._command("pause", run_id=run_id)

    def resume(self, run_id: int) -> None:
        """Go on from the latest checkpoint."""
        self._command("resume", run_id=run_id)

    def stop(self, run_id: int) -> None:
        """End the run after its current block of steps, with a checkpoint."""
        self._command("stop", run_id=run_id)

    def kill(self, run_id: int) -> None:
        """End the run's process at once."""
        self._command("kill", run_id=run_id)

    def delete(self, run_id: int) -> None:
        """Remove a run that does not train, with everything recorded of it."""
        self._command("delete", run_id=run_id)

    def fork(
        self,
        run_id: int,
        step: int,
        overrides: Mapping[str, Any] | None = None,
        *,
        exact: bool = False,
    ) -> int:
        """A new run that goes on from a checkpoint with other settings; returns its number.

        It is the last checkpoint at or before `step`, or with `exact` that of `step`, which is
        refused as `NotPossible` once a later one has replaced it.
        """
        changes = dict(overrides or {})
        return self._command("fork", run_id=run_id, step=step, overrides=changes, exact=exact)

    def extend(self, run_id: int, steps: int) -> None:
        """Give the run a larger budget of steps and go on."""
        self._command("extend", run_id=run_id, steps=steps)

    def update_run(
        self,
        run_id: int,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        notes: str | None = None,
    ) -> None:
        """Change what people wrote about the run; None leaves a field alone."""
        self._command("update_run", run_id=run_id, name=name, tags=_listed(tags), notes=notes)

    def add_note(self, run_id: int, step: int, text: str) -> None:
        """Pin a note to a step."""
        self._command("add_note", run_id=run_id, step=step, text=text)

    def export(self, run_ids: Sequence[int], file: Path) -> None:
        """Write all points of the runs to a .parquet, .csv or .json file."""
        self._command("export", run_ids=_listed(run_ids), file=str(Path(file).absolute()))

    def export_network(self, run_id: int, folder: Path, *, at: int | None = None) -> Row:
        """Write a run's network to a new or empty folder that `transformers` loads.

        `at` is a step between the first and the last checkpoint, whose nearest one is taken; None
        is the latest. Returns `folder`, `run_id`, `step`, `architecture`, `weights` (trained or
        averaged) and `bytes`.
        """
        where = os.path.abspath(folder)
        return self._command("export_network", run_id=run_id, folder=where, at=at)

    def redetect(self, run_ids: Sequence[int], thresholds: Mapping[str, float]) -> None:
        """Run the onset detector again on stored curves, with other thresholds."""
        self._command("redetect", run_ids=_listed(run_ids), thresholds=dict(thresholds))

    # plumbing

    def _read(self, call: str, **arguments: Any) -> Any:
        return self._connection.ask(call, arguments, repeat=True)

    def _table(self, call: str, **arguments: Any) -> pa.Table:
        return self._connection.fetch(call, arguments)

    def _command(self, call: str, **arguments: Any) -> Any:
        return self._connection.ask(call, arguments, repeat=False)


def _listed(values: Sequence[Any] | None) -> list[Any] | None:
    return None if values is None else list(values)


def _tree(config: RunConfig | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(config, RunConfig):
        return config.model_dump(mode="json")
    return dict(config)
