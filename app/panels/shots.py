"""How surely a run answers after each triple of a row: for tasks that are learned in context."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import links, session
from app.charts.shots import latest, metrics, shots_chart
from app.words import count
from engine import Lab

Run = Mapping[str, Any]


def panel(lab: Lab, runs: Sequence[Run]) -> None:
    """Accuracy by triple at the step that is looked at; nothing for runs of other tasks."""
    run = _chosen(runs)
    n_shots = 0 if run is None else run["config"].get("task", {}).get("n_shots", 0)
    if run is None or not n_shots:
        return
    curves = session.SharedCurves(lab, session.watch().version).curves(
        [run["run_id"]],
        metrics=metrics(n_shots),
        hi=links.whole("at"),
        buckets=1,
        log=False,
    )
    rows, step = latest(curves.to_pylist())
    if not rows:
        return
    st.markdown(f"**Accuracy by triple** at step {count(step)}")
    st.altair_chart(shots_chart(rows, chance=run.get("chance")), key="shots", width="stretch")


def _chosen(runs: Sequence[Run]) -> Run | None:
    """The run whose attention is shown, or the first one."""
    wanted = links.whole("heads")
    return next((run for run in runs if run["run_id"] == wanted), runs[0] if runs else None)
