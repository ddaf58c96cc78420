"""The table of runs: selection, description, bulk actions."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import session
from app.forms.fields import BASIC, shown
from app.panels import controls, dialogs, exports
from app.words import percentage, plain, several

Run = dict[str, Any]
_TASK_NAMES = ("operation", "p", "group", "n_entities", "phi", "train_fraction")
_MOST_ROWS = 20
"""Rows that are seen at once where the window has room, which `main.py` sees to."""
_ROW_HEIGHT = 35
_KEY = "table-of-runs"
_PERCENT = "test accuracy"
"""The column that is drawn in percent; in a file it is a share."""


def frame_of(runs: Sequence[Run]) -> pd.DataFrame:
    """The table's columns; steps that were not reached stay empty."""
    columns: dict[str, Callable[[Run], Any]] = {
        "run": lambda run: run["run_id"],
        "name": lambda run: run.get("name") or "",
        "state": lambda run: run["state"],
        "phase": lambda run: run.get("phase") or "",
        "seed": lambda run: run.get("seed"),
        "step": lambda run: run["last_step"],
        "memorised": lambda run: run.get("memorised_step"),
        "onset": lambda run: run.get("onset_step"),
        "grokked": lambda run: run.get("grokked_step"),
        "grokked OOD": _grokked_ood,
        "delay": lambda run: run.get("delay"),
        _PERCENT: lambda run: run.get("test_accuracy"),
        "task": lambda run: _described(run, "task", _TASK_NAMES),
        "model": lambda run: _described(run, "model", ("n_layers", "d_model")),
        "optimizer": lambda run: _described(run, "optimizer", ("learning_rate", "weight_decay")),
        "steps/s": lambda run: run.get("steps_per_second"),
        "train time": lambda run: run.get("train_seconds"),
        "tags": lambda run: list(run.get("tags") or []),
        "notes": lambda run: run.get("notes") or "",
        "created": lambda run: run.get("created"),
    }
    frame = pd.DataFrame({name: [of(run) for run in runs] for name, of in columns.items()})
    for name, values in differing(runs, taken=frame.columns).items():
        frame.insert(list(frame).index("task"), name, values)
    whole = ["seed", "step", "memorised", "onset", "grokked", "grokked OOD", "delay"]
    frame[whole] = frame[whole].astype("Int64")
    return frame if any(map(_has_ood, runs)) else frame.drop(columns="grokked OOD")


def differing(runs: Sequence[Run], taken: Iterable[str] = ()) -> dict[str, pd.Series]:
    """A column for each setting in which runs differ, those of the form's first sight first.

    It has the setting's short name, or the full one where the short one is `taken` or ambiguous.
    """
    values: dict[tuple[str, str], dict[int, Any]] = {}
    for row, run in enumerate(runs):
        for section, settings in run["config"].items():
            for name, value in settings.items():
                values.setdefault((section, name), {})[row] = value
    told = [
        (section, name)
        for (section, name), had in values.items()
        if name not in ("kind", "seed") and len(set(map(repr, had.values()))) > 1
    ]
    told.sort(key=lambda place: place[1] not in BASIC.get(place[0], ()))
    used = Counter([*taken, *(name for _, name in told)])
    return {
        name if used[name] == 1 else f"{section}.{name}": _column(
            [values[section, name].get(row) for row in range(len(runs))]
        )
        for section, name in told
    }


def _column(values: Sequence[Any]) -> pd.Series:
    """Numbers stay numbers, so that they are sorted as such."""
    present = [value for value in values if value is not None]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in present):
        return pd.Series([None if value is None else shown(value) for value in values])
    whole = all(isinstance(value, int) for value in present)
    return pd.Series(values, dtype="Int64" if whole else "Float64")


def _has_ood(run: Run) -> bool:
    return "test_ood" in (run.get("splits") or [])


def _grokked_ood(run: Run) -> int | None:
    """Where accuracy out of distribution was up, in tasks that have such a split."""
    steps = [
        m["step"]
        for m in run.get("markers") or []
        if m["split"] == "test_ood" and m["kind"] == "grokked"
    ]
    return min(steps, default=None)


def _described(run: Run, section: str, names: Sequence[str]) -> str:
    settings = run["config"].get(section, {})
    values = [
        f"{settings[name]:g}" if isinstance(settings[name], float) else str(settings[name])
        for name in names
        if name in settings
    ]
    return " ".join([str(settings.get("kind", "")), *values])


def standing(runs: Sequence[Run]) -> tuple[Any, ...]:
    """All of some runs that filters, buttons and forms depend on: what does not move by itself."""
    names = ("run_id", "state", "name", "notes", "tags", "budget")
    return tuple(str([run.get(name) for name in names]) for run in runs)


def chosen(runs: Sequence[Run]) -> list[Run]:
    """The runs that are selected; those of another list before stay so."""
    numbers = [run["run_id"] for run in runs]
    earlier: list[int] = session.recall("listed", numbers)
    session.remember("listed", numbers)
    rows: list[int] = (session.widget(_KEY) or {"selection": {"rows": []}})["selection"]["rows"]
    kept = {earlier[row] for row in rows if row < len(earlier)}
    if rows and earlier != numbers:
        there = [row for row, number in enumerate(numbers) if number in kept]
        session.remember(_KEY, {"selection": {"rows": there}})
    return [run for run in runs if run["run_id"] in kept]


def grid(runs: Sequence[Run]) -> list[Run]:
    """Draw the table; returns the selected runs."""
    numbers = {
        name: st.column_config.NumberColumn(name, format="localized")
        for name in ("step", "memorised", "onset", "grokked", "grokked OOD", "delay")
    }
    frame = frame_of(runs)
    frame[_PERCENT] = pd.Series(
        [percentage(run.get("test_accuracy")) for run in runs], dtype=float
    )
    shares = [name for name in frame if frame[name].dtype == "Float64"]
    height = _ROW_HEIGHT * (min(len(runs), _MOST_ROWS) + 1) + 2
    event = st.container(key="room", height=height, border=False).dataframe(
        frame,
        hide_index=True,
        placeholder="–",
        on_select="rerun",
        selection_mode="multi-row",
        key=_KEY,
        height="stretch",
        column_config={
            **numbers,
            **{name: st.column_config.NumberColumn(name, format="%g") for name in shares},
            "run": st.column_config.NumberColumn("run", pinned=True, width="small"),
            _PERCENT: st.column_config.NumberColumn(_PERCENT, format="%g %%"),
            "steps/s": st.column_config.NumberColumn("steps/s", format="%.1f"),
            "train time": st.column_config.NumberColumn("train time", format="%.1f s"),
            "tags": st.column_config.ListColumn("tags"),
            "created": st.column_config.DatetimeColumn("created (UTC)", format="D MMM HH:mm"),
        },
    )
    return [runs[row] for row in sorted(event["selection"]["rows"]) if row < len(runs)]


def actions(runs: Sequence[Run]) -> None:
    """The same commands as on the live page, for all selected runs at once, and the export."""
    controls.toolbar(runs)
    dialogs.show(runs)
    ids = [run["run_id"] for run in runs]
    with st.container(horizontal=True):
        for suffix, mime in exports.TABLE_MIME.items():
            st.download_button(
                f"Curves as {suffix}",
                lambda suffix=suffix: exports.numbers(ids, suffix),
                f"runs.{suffix}",
                mime,
                key=f"curves-{suffix}",
                on_click="ignore",
                icon=":material/download:",
            )
        st.download_button(
            "This table as csv",
            lambda: frame_of(session.lab().runs(ids)[::-1]).to_csv(index=False),
            "runs-table.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )


def describe(runs: Sequence[Run]) -> None:
    """Name, tags and notes of the selected runs; what is left empty for several stays."""
    one = runs[0] if len(runs) == 1 else None
    key = "-".join(str(run["run_id"]) for run in runs)
    known = sorted({tag for run in runs for tag in run.get("tags") or []})
    with st.form(f"describe-{key}"):
        whose = f"run {one['run_id']} {plain(one.get('name') or '')}" if one else several(runs)
        st.markdown(f"**Describe {whose}**")
        name = st.text_input("name", value=one["name"] if one else "", max_chars=120)
        tags = st.multiselect(
            "tags" if one else "tags to add",
            known,
            default=list(one.get("tags") or []) if one else [],
            accept_new_options=True,
        )
        notes = st.text_area("notes", value=one.get("notes") or "" if one else "", max_chars=4000)
        if st.form_submit_button("Save", icon=":material/save:"):
            _save(runs, name=name, tags=tags, notes=notes)


def _save(runs: Sequence[Run], *, name: str, tags: Sequence[str], notes: str) -> None:
    several_runs = len(runs) > 1
    for run in runs:
        before: list[str] = list(run.get("tags") or []) if several_runs else []
        session.lab().update_run(
            run["run_id"],
            name=None if several_runs and not name else name,
            tags=[*before, *(tag for tag in tags if tag not in before)],
            notes=None if several_runs and not notes else notes,
        )
    st.rerun()
