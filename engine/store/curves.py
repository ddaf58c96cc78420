"""Which points of the curves a figure needs: extremes of each bucket, or what is new."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from engine.errors import SettingsError
from engine.store.database import Connection, Database
from engine.store.rows import fetch_table, first, numbers

MOST_BUCKETS = 10_000
MOST_NEW_ROWS = 200_000
_EMPTY = pa.table(
    {
        "run_id": pa.array([], pa.int32()),
        "split": pa.array([], pa.string()),
        "metric": pa.array([], pa.string()),
        "step": pa.array([], pa.int64()),
        "value": pa.array([], pa.float64()),
    }
)

_BUCKETS = """
WITH chosen AS (
    SELECT run_id, split, metric, step, value FROM metrics
    WHERE run_id IN {run_ids} AND list_contains($metrics, metric)
        AND ($splits IS NULL OR list_contains($splits, split)) AND step BETWEEN {lo} AND {hi}),
extremes AS (
    SELECT run_id, split, metric, {bucket} AS bucket, count(*) AS n,
        min(step) AS first_step, arg_min(value, step) AS first_value,
        max(step) AS last_step, arg_max(value, step) AS last_value,
        arg_min(step, value) AS low_step, min(value) AS low_value,
        arg_max(step, value) AS high_step, max(value) AS high_value
    FROM chosen GROUP BY ALL),
ends AS (
    SELECT run_id, split, metric, sum(n) AS n, min(first_step) AS first_step,
        arg_min(first_value, first_step) AS first_value, max(last_step) AS last_step,
        arg_max(last_value, last_step) AS last_value
    FROM extremes GROUP BY ALL),
points AS (
    SELECT run_id, split, metric, unnest([low_step, high_step]) AS step,
        unnest([low_value, high_value]) AS value, 0 AS n FROM extremes
    UNION ALL
    SELECT run_id, split, metric, unnest([first_step, last_step]),
        unnest([first_value, last_value]), unnest([n, 0]) FROM ends)
SELECT run_id, split, metric, step, value, max(n)::BIGINT AS n
FROM points GROUP BY ALL ORDER BY run_id, split, metric, step
"""
_LOG = "least(floor(ln(greatest(step, 1) / {start}) * {per_e_fold}), {buckets} - 1)::INTEGER"
_LINEAR = "((step - {lo}) * {buckets} // ({hi} - {lo} + 1))::INTEGER"


def curves(
    database: Database,
    run_ids: Sequence[int],
    *,
    metrics: Sequence[str],
    splits: Sequence[str] | None,
    lo: int,
    hi: int | None,
    buckets: int,
    log: bool,
) -> pa.Table:
    """(run_id, split, metric, step, value): each bucket's smallest and largest value.

    A curve's first and last point in the range are always among them, so that no spike and no
    end is ever dropped. `lo` and `hi` are steps, both included; `hi` None means the last step.
    The schema's metadata has `n_total` (points in the range) and `n_shown`.

    Raises:
        SettingsError: the range is empty or the number of buckets is out of range.
    """
    with database.reading() as cursor:
        hi = _last_step(cursor, run_ids, lo) if hi is None else hi
        _check(lo, hi, buckets)
        figures = {
            "lo": int(lo),
            "hi": int(hi),
            "buckets": int(buckets),
            **_log_scale(lo, hi, buckets),
        }
        bucket = (_LOG if log else _LINEAR).format(**figures)
        table = fetch_table(
            cursor,
            _BUCKETS.format(run_ids=numbers(run_ids), bucket=bucket, **figures),
            {"metrics": list(metrics), "splits": None if splits is None else list(splits)},
        )
    n_total = int(table["n"].to_numpy().sum())
    return table.drop_columns(["n"]).replace_schema_metadata(
        {"n_total": str(n_total), "n_shown": str(table.num_rows)}
    )


def rows_after(
    database: Database, cursors: Mapping[int, int], *, metrics: Sequence[str]
) -> pa.Table:
    """(run_id, split, metric, step, value) of each run past the step given for it, oldest first.

    At most `MOST_NEW_ROWS` rows, whole steps; ask again from the last step for the rest.
    """
    if not cursors:
        return _EMPTY
    past = " OR ".join(
        f"(run_id = {int(run)} AND step > {int(step)})" for run, step in cursors.items()
    )
    with database.reading() as cursor:
        table = fetch_table(
            cursor,
            f"""
            SELECT run_id, split, metric, step, value FROM metrics
            WHERE run_id IN {numbers(cursors)} AND step > {min(map(int, cursors.values()))}
                AND ({past}) AND list_contains($metrics, metric)
            ORDER BY step LIMIT {MOST_NEW_ROWS + 1}
            """,
            {"metrics": list(metrics)},
        )
    if table.num_rows > MOST_NEW_ROWS:
        steps = table["step"].to_numpy()
        table = table.slice(0, int(np.searchsorted(steps, steps[-1])))
    return table


def _last_step(cursor: Connection, run_ids: Sequence[int], lo: int) -> int:
    sql = f"SELECT max(last_step) FROM runs WHERE run_id IN {numbers(run_ids)}"
    (last,) = first(cursor, sql) or (None,)
    return max(lo, last or 0)


def _check(lo: int, hi: int, buckets: int) -> None:
    if not 0 <= lo <= hi:
        raise SettingsError(f"a range of steps goes from 0 or more upwards, got {lo} to {hi}")
    if not 1 <= buckets <= MOST_BUCKETS:
        raise SettingsError(f"buckets must lie between 1 and {MOST_BUCKETS:,}, got {buckets}")


def _log_scale(lo: int, hi: int, buckets: int) -> dict[str, float]:
    start = max(lo, 1)
    return {"start": float(start), "per_e_fold": buckets / math.log((max(hi, 1) + 1) / start)}
