"""What the inside of the network looked like: one float32 matrix for each layer and head."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import safetensors.numpy
from safetensors import SafetensorError

from engine.errors import NotPossible
from engine.store.batch import Batch
from engine.store.database import Connection, Database
from engine.store.events import Event, insert_events
from engine.store.rows import Row, fetch_table, first, insert, now, numbers

_LAYER = re.compile(r"layer(\d{1,6})")
_SCHEMA = pa.schema(
    [
        ("run_id", pa.int32()),
        ("step", pa.int64()),
        ("kind", pa.string()),
        ("layer", pa.int32()),
        ("head", pa.int32()),
        ("shape", pa.list_(pa.int32())),
        ("data", pa.binary()),
    ]
)


def insert_snapshots(
    cursor: Connection, batches: Sequence[Batch], folder_of: Callable[[int], Path]
) -> None:
    """Store the files that the journals name; one that cannot be read becomes an event."""
    rows: list[Row] = []
    unreadable: list[Event] = []
    for batch in batches:
        for step, kind, file in batch.snapshots:
            key: Row = {"run_id": batch.run_id, "step": step, "kind": kind}
            try:
                heads = list(read_heads(folder_of(batch.run_id), file))
            except (OSError, SafetensorError, ValueError) as error:
                told = {"file": file, "message": str(error)}
                unreadable.append((batch.run_id, step, "unreadable_snapshot", told, now()))
                continue
            rows += [
                {
                    **key,
                    "layer": layer,
                    "head": head,
                    "shape": list(values.shape),
                    "data": values.tobytes(),
                }
                for layer, head, values in heads
            ]
    if rows:
        insert(cursor, "snapshots", pa.Table.from_pylist(rows, schema=_SCHEMA))
    insert_events(cursor, unreadable)


def read_heads(folder: Path, file: str) -> Iterator[tuple[int, int, np.ndarray]]:
    """(layer, head, float32 matrix) of a snapshot file in a run's folder.

    The file holds a tensor `layer0`, `layer1` … for each layer, heads on dimension 0.

    Raises:
        ValueError: the file lies outside the folder, or holds something else.
    """
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"snapshot files lie in the run's folder, got {file}")
    for name, tensor in safetensors.numpy.load_file(path).items():
        number = _LAYER.fullmatch(name)
        if number is None or tensor.ndim < 2:
            raise ValueError(f"tensor {name} of shape {tensor.shape} is no layer with heads")
        for head, values in enumerate(tensor):
            yield int(number[1]), head, np.ascontiguousarray(values, dtype="<f4")


def snapshot_steps(database: Database, run_ids: Sequence[int], kind: str) -> dict[int, list[int]]:
    """For each of these runs the steps at which it has a snapshot of this kind, ascending."""
    steps: dict[int, list[int]] = {run_id: [] for run_id in run_ids}
    with database.reading() as cursor:
        cursor.execute(
            "SELECT DISTINCT run_id, step FROM snapshots"
            f" WHERE run_id IN {numbers(run_ids)} AND kind = ? ORDER BY step",
            [kind],
        )
        for run_id, step in cursor.fetchall():
            steps[run_id].append(step)
    return steps


def snapshot(database: Database, run_id: int, kind: str, *, step: int) -> pa.Table:
    """(layer, head, shape, data) of the snapshot nearest before `step`; its step in the metadata.

    `data` is little-endian float32, row by row.

    Raises:
        NotPossible: the run has no such snapshot at or before `step`.
    """
    with database.reading() as cursor:
        found = first(
            cursor,
            "SELECT max(step) FROM snapshots WHERE run_id = ? AND kind = ? AND step <= ?",
            [run_id, kind, step],
        )
        nearest = found[0] if found else None
        if nearest is None:
            raise NotPossible(f"run {run_id} has no {kind} snapshot at or before step {step:,}")
        table = fetch_table(
            cursor,
            "SELECT layer, head, shape, data FROM snapshots"
            " WHERE run_id = ? AND kind = ? AND step = ? ORDER BY layer, head",
            [run_id, kind, nearest],
        )
    return table.replace_schema_metadata({"step": str(nearest)})
