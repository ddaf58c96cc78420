"""How rows of figures become a table that reads well on a terminal and in Markdown (no torch)."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "throughput": {
        "setting": "setting",
        "arm": "arm",
        "steps_per_second": "steps/s",
        "spread": "spread",
        "times_peers": "× peers",
        "times_eager": "× eager",
        "times_peers_by_cpu": "× peers (CPU time)",
        "times_eager_by_cpu": "× eager (CPU time)",
        "needed_gflops": "GFLOP/s",
        "utilisation": "of matmul",
        "naive_utilisation": "counted naively",
        "own_shape_utilisation": "of own product",
        "loss_after": "loss",
        "rounds": "rounds",
        "note": "",
    },
    "recording": {
        "preset": "preset",
        "from_step": "from step",
        "steps": "steps",
        "bare_steps_per_second": "bare steps/s",
        "recorded_steps_per_second": "recorded steps/s",
        "measured_to_bare": "measured ÷ bare",
        "recorded_to_measured": "recorded ÷ measured",
        "recorded_to_bare": "recorded ÷ bare",
        "measured_to_bare_by_cpu_time": "measured ÷ bare (CPU time)",
        "recorded_to_measured_by_cpu_time": "recorded ÷ measured (CPU time)",
        "recorded_to_bare_by_cpu_time": "recorded ÷ bare (CPU time)",
    },
    "batches": {
        "setting": "setting",
        "way": "way",
        "run_steps_per_second": "run-steps/s",
        "spread": "spread",
        "times_processes": "× processes of peers",
        "times_processes_by_cpu": "by CPU time",
        "rounds": "rounds",
        "note": "",
    },
}
"""Which figures are shown, and under which heading; of other measurements, all."""

SHARES = frozenset({"spread", "utilisation", "naive_utilisation", "own_shape_utilisation"})
"""Figures that are told in per cent."""


def table(name: str, rows: Sequence[Row]) -> str:
    """A measurement's rows as an aligned Markdown table; columns without a figure are left out."""
    headings = COLUMNS.get(name) or {key: key.replace("_", " ") for key in _keys(rows)}
    shown = {
        key: heading
        for key, heading in headings.items()
        if any(row.get(key) not in (None, "") for row in rows)
    }
    lines = [[_cell(key, row.get(key)) for key in shown] for row in rows]
    right = [all(not isinstance(row.get(key), str) for row in rows) for key in shown]
    widths = [
        max(3, *(len(line[i]) for line in [list(shown.values()), *lines]))
        for i in range(len(shown))
    ]
    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    return "\n".join(
        "| "
        + " | ".join(
            text.rjust(width) if at_right else text.ljust(width)
            for text, width, at_right in zip(line, widths, right, strict=True)
        )
        + " |"
        for line in (list(shown.values()), rule, *lines)
    )


def _keys(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _cell(key: str, value: object) -> str:
    if value is None:
        return "–"
    if key in SHARES and isinstance(value, int | float):
        return f"{100 * value:.3g} %"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
