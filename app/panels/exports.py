"""How the figure and its numbers leave the page."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.charts.export import MIME, Format, rendered
from app.charts.figure import Figure
from app.charts.markers import annotations
from app.charts.palette import Theme
from app.live.frames import Series
from app.live.stream import View, read_lines
from engine import LabError

Run = Mapping[str, Any]
TABLE_MIME = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


def menu(view: View, title: str) -> None:
    """A popover with every format; nothing is drawn before it is asked for."""
    with st.popover("Export", icon=":material/download:"):
        dark = st.toggle("dark figure", key="export-dark")
        theme: Theme = "dark" if dark else "light"
        name = "runs-" + "-".join(str(run) for run in view.run_ids[:6])
        with st.container(horizontal=True):
            for form in MIME:
                st.download_button(
                    form.upper(),
                    _figure_of(view, form=form, theme=theme, title=title),
                    f"{name}.{form}",
                    MIME[form],
                    key=f"export-{form}",
                    on_click="ignore",
                )
        st.caption("numbers, every recorded point")
        with st.container(horizontal=True):
            for suffix, mime in TABLE_MIME.items():
                st.download_button(
                    suffix.upper() if suffix == "csv" else "Parquet",
                    _numbers_of(view.run_ids, suffix),
                    f"{name}.{suffix}",
                    mime,
                    key=f"export-{suffix}",
                    on_click="ignore",
                )


def _figure_of(view: View, *, form: Format, theme: Theme, title: str) -> Any:
    def draw() -> bytes:
        lab = session.lab()
        # as they are when it is drawn: since the page was, they may have grokked
        runs = lab.runs(view.run_ids)
        lines, _ = read_lines(lab, view)
        lines = [_within(line, view.range) for line in lines]
        splits = tuple(dict.fromkeys(line.split for line in lines if line.split))
        labels = tuple((str(run), label) for run, label in view.labels)
        figure = Figure(view.mode, splits or ("train", "test"), labels, view.log_x, view.measures)
        tables = annotations(runs, lab.events(view.run_ids), view.mode)
        rows = [row for line in lines for row in _rows(line)]
        return rendered(figure, {**tables, "curves": rows}, form=form, theme=theme, title=title)

    return draw


def _within(line: Series, ends: tuple[float, float] | None) -> Series:
    if ends is None:
        return line
    kept = (line.steps >= ends[0]) & (line.steps <= ends[1])
    return Series(line.run, line.split, line.metric, line.steps[kept], line.values[kept])


def _rows(line: Series) -> list[dict[str, Any]]:
    same = {"run": line.run, "split": line.split, "metric": line.metric}
    pairs = zip(line.steps.tolist(), line.values.tolist(), strict=True)
    return [{**same, "step": step, "value": value} for step, value in pairs]


def _numbers_of(run_ids: Sequence[int], suffix: str) -> Any:
    return lambda: numbers(run_ids, suffix)


def numbers(run_ids: Sequence[int], suffix: str) -> bytes:
    """Every recorded point of the runs as a file's bytes.

    Raises:
        LabError: the engine cannot be reached or is on another machine.
    """
    with tempfile.TemporaryDirectory(prefix="grokking-lab-") as folder:
        file = Path(folder) / f"curves.{suffix}"
        session.lab().export(run_ids, file)
        if not file.exists():
            raise LabError("the engine wrote the export on another machine; use its command line")
        return file.read_bytes()
