"""How recorded numbers leave the lab: one file of all points of some runs."""

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from engine.errors import NotPossible, SettingsError
from engine.store.database import Database
from engine.store.rows import numbers
from engine.store.runs import require_run

_BATCH_ROWS = 100_000
_POINTS = """
SELECT run_id, name, seed, step, split, metric, value
FROM metrics JOIN runs USING (run_id) WHERE run_id IN {} ORDER BY run_id, step, split, metric
"""


def export(database: Database, run_ids: Sequence[int], file: Path) -> None:
    """Write (run_id, name, seed, step, split, metric, value) to .parquet, .csv or .json.

    JSON is one array of objects. The file appears when it is complete.

    Raises:
        SettingsError: the suffix is none of these.
        RunNotFound: no run has one of these numbers.
        NotPossible: the file cannot be written.
    """
    write = _WRITERS.get(file.suffix.lower())
    if write is None:
        raise SettingsError(
            f"export writes {', '.join(_WRITERS)}; got the suffix {file.suffix or 'none'!r}"
        )
    partial = file.with_name(f".{file.name}.part")
    try:
        with database.reading() as cursor:
            for run_id in run_ids:
                require_run(cursor, run_id)
            reader = cursor.sql(_POINTS.format(numbers(run_ids))).to_arrow_reader(_BATCH_ROWS)
            write(reader, partial)
        partial.replace(file)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not file.parent.is_dir():
            raise NotPossible(
                f"the folder {file.parent} does not exist; make it, or name another file"
            ) from None
        # Arrow's own text names the partial file.
        reason = os.strerror(error.errno) if error.errno else error
        raise NotPossible(f"{file} cannot be written: {reason}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _parquet(reader: pa.RecordBatchReader, file: Path) -> None:
    with pyarrow.parquet.ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _csv(reader: pa.RecordBatchReader, file: Path) -> None:
    with pyarrow.csv.CSVWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _json(reader: pa.RecordBatchReader, file: Path) -> None:
    with file.open("w", encoding="utf-8") as out:
        separator = "["
        for batch in reader:
            for row in batch.to_pylist():
                out.write(f"{separator}\n{json.dumps(row, ensure_ascii=False)}")
                separator = ","
        out.write("[]\n" if separator == "[" else "\n]\n")


_WRITERS: dict[str, Callable[[pa.RecordBatchReader, Path], None]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".json": _json,
}
