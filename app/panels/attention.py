"""Where every head looks at a step: the attention maps and their scrubber."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from app import links, session
from app.live import components
from app.live.frames import Floats, pack
from engine import InvalidConfig, Lab, parse_config, position_names

KEY = "heads"
Run = Mapping[str, Any]


def panel(lab: Lab, runs: Sequence[Run]) -> None:
    """The maps of one of the runs on view; which one is in the address."""
    st.markdown("**Attention** of every head, mean over examples")
    run = _chosen(runs)
    watch = session.watch()
    steps = watch.snapshot_steps.get(run["run_id"], [])
    if not steps:
        never = "None was recorded: networks without attention weights have no maps."
        st.caption("No snapshot yet." if run["last_step"] == 0 else never)
        return
    components.heads(
        _message(lab, watch, run, steps=steps), key=KEY, on_at=_moved, on_resync=_resync
    )


def _chosen(runs: Sequence[Run]) -> Run:
    ids = [run["run_id"] for run in runs]
    if len(ids) == 1:
        return runs[0]
    wanted = links.whole("heads")
    run_id = st.selectbox(
        "of run",
        ids,
        index=ids.index(wanted) if wanted in ids else 0,
        key="heads-run",
        format_func=lambda run_id: _label(runs, run_id),
        label_visibility="collapsed",
        on_change=lambda: links.put(heads=session.widget("heads-run")),
    )
    return next(run for run in runs if run["run_id"] == run_id)


def _label(runs: Sequence[Run], run_id: int) -> str:
    run = next(run for run in runs if run["run_id"] == run_id)
    return f"run {run_id}, seed {run.get('seed')}"


def _message(lab: Lab, watch: session.Watch, run: Run, *, steps: list[int]) -> bytes:
    at = links.whole("at")
    step = max((s for s in steps if at is None or s <= at), default=steps[0])
    header: dict[str, Any] = {"run": run["run_id"], "step": step, "at": at}
    wanted = (run["run_id"], step, len(steps), run.get("attempt"))
    if watch.sent_heads == wanted:
        return pack(header)
    if watch.sent_heads[:1] != wanted[:1] or watch.sent_heads[2:] != wanted[2:]:
        header["steps"] = steps
    watch.sent_heads = wanted
    shape, numbers = heads_of(lab.snapshot(run["run_id"], "attention", step))
    header |= {"shape": shape, "names": token_names(run, shape[-1])}
    return pack(header, [numbers])


def heads_of(table: pa.Table) -> tuple[list[int], Floats]:
    """A snapshot as [layers, heads, rows, columns] and its weights in that order."""
    rows = sorted(table.to_pylist(), key=lambda row: (row["layer"], row["head"]))
    if not rows:
        return [0, 0, 0, 0], np.zeros(0, np.float32)
    layers = len({row["layer"] for row in rows})
    shape = [layers, len(rows) // layers, *(int(n) for n in rows[0]["shape"][-2:])]
    return shape, np.concatenate([np.frombuffer(row["data"], "<f4") for row in rows])


def token_names(run: Run, length: int) -> list[str]:
    """What stands at each position; numbers where the run's settings are of another version."""
    try:
        return list(position_names(parse_config(run["config"]).task, length=length))
    except InvalidConfig:
        return [str(i) for i in range(length)]


def _moved() -> None:
    state = session.widget(KEY) or {}
    step = state.get("at")
    links.put(at=int(step) if step is not None else None)


def _resync() -> None:
    session.watch().sent_heads = ()
