"""Curves, runs and a lab as an engine would give them, small enough to read."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

Row = dict[str, Any]
COLUMNS = ("run_id", "split", "metric", "step", "value")


def curve(run_id: int = 1, *, last: int = 1000, grok: int = 400) -> list[Row]:
    """One evaluation every ten steps: train rises at 50, test at `grok`."""
    rows: list[Row] = []
    for step in [1, *range(10, last + 1, 10)]:
        for split, middle in (("train", 50), ("test", grok)):
            accuracy = 1 / (1 + math.exp(-(math.log(step) - math.log(middle)) * 8))
            values = {"accuracy": accuracy, "loss": 5 * (1 - accuracy) + 1e-6}
            rows += [
                {"run_id": run_id, "split": split, "metric": metric, "step": step, "value": value}
                for metric, value in values.items()
            ]
    return rows


def run(run_id: int = 1, **changed: Any) -> Row:
    """A run that memorised at step 80 and grokked at step 700."""
    return {
        "run_id": run_id,
        "name": f"run {run_id}",
        "seed": run_id,
        "state": "running",
        "state_reason": "",
        "phase": "learning",
        "last_step": 1000,
        "budget": 2000,
        "memorised_step": 80,
        "onset_step": 500,
        "grokked_step": 700,
        "delay": 620,
        "chance": 1 / 59,
        "attempt": 1,
        **changed,
    }


class RecordedLab:
    """A lab whose rows are in a list; it counts how often it was asked."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self.asked: list[str] = []

    def curves(
        self,
        run_ids: Sequence[int],
        *,
        lo: int = 1,
        hi: int | None = None,
        **_thinning: Any,
    ) -> pa.Table:
        """All rows between two steps, none thinned."""
        self.asked.append(f"curves {lo}-{hi}")
        found = [
            row
            for row in self.rows
            if row["run_id"] in run_ids and lo <= row["step"] <= (hi or math.inf)
        ]
        return table(found).replace_schema_metadata({"n_total": str(len(found))})

    def rows_after(self, cursors: Mapping[int, int], **_metrics: Any) -> pa.Table:
        """The rows past each cursor."""
        self.asked.append("rows_after")
        return table([r for r in self.rows if r["step"] > cursors.get(r["run_id"], 10**9)])


def table(rows: Sequence[Row]) -> pa.Table:
    """Rows as the engine delivers them."""
    types = (pa.int32(), pa.string(), pa.string(), pa.int64(), pa.float64())
    return pa.table(
        {
            name: pa.array([row[name] for row in rows], kind)
            for name, kind in zip(COLUMNS, types, strict=True)
        }
    )
