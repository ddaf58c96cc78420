"""How accuracy grows along a row: the more triples were shown, the surer the hidden task."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt

from app.charts.palette import split_scale

Row = dict[str, Any]
METRIC = "accuracy_shot_{}"
_SHOT = re.compile(METRIC.format(r"(\d{1,4})"))


def metrics(n_shots: int) -> tuple[str, ...]:
    """The metrics that hold accuracy at each triple, the first first."""
    return tuple(METRIC.format(shot) for shot in range(1, n_shots + 1))


def latest(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Row], int]:
    """(split, shot, accuracy) at the last of the recorded steps, and that step; 0 without rows."""
    known = [row for row in rows if _SHOT.fullmatch(row["metric"])]
    step = max((row["step"] for row in known), default=0)
    found = [
        {
            "split": row["split"],
            "shot": int(row["metric"].rpartition("_")[2]),
            "accuracy": row["value"],
        }
        for row in known
        if row["step"] == step
    ]
    return sorted(found, key=lambda row: (row["split"], row["shot"])), step


def shots_chart(rows: Iterable[Row], *, chance: float | None) -> alt.LayerChart | alt.FacetChart:
    """Accuracy over triples, a line for each split, with the chance level."""
    rows = list(rows)
    domain, hues = split_scale({row["split"] for row in rows})
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=alt.X("shot:Q", title="triple of the row", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("accuracy:Q", title="accuracy", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color(
                "split:N",
                scale=alt.Scale(domain=domain, range=hues),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["split:N", "shot:Q", alt.Tooltip("accuracy:Q", format=".3f")],
        )
    )
    level = alt.Chart(alt.Data(values=[{"chance": chance}] if chance else []))
    rule = level.mark_rule(strokeDash=[2, 3], color="#8A9099").encode(
        y=alt.Y("chance:Q", title="accuracy")
    )
    return alt.layer(lines, rule).properties(height=320)
