"""Which frame of curves comes next: everything, what is new, or nothing.

One stream belongs to one chart of one browser session. It remembers the last step that it sent of
every run and asks the lab only for rows past it, and only when the lab's version has moved.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from app.bundle import bundle_url
from app.charts.curves import curves_spec
from app.charts.figure import Figure
from app.charts.legends import margins
from app.charts.markers import Mode, annotations
from app.charts.palette import vega_config
from app.live.frames import Series, pack_series, series_of

BUCKETS = 400
"""Buckets a line in a first frame; each keeps its least and its greatest value."""

MOST_NEWS = 5_000
"""More new points than this, as after a sleep, are sent downsampled with all the others."""

Row = dict[str, Any]


class Curves(Protocol):
    """What a stream asks of the lab."""

    def curves(
        self,
        run_ids: Sequence[int],
        *,
        metrics: Sequence[str] = ...,
        lo: int = ...,
        hi: int | None = ...,
        buckets: int = ...,
        log: bool = ...,
    ) -> pa.Table:
        """Downsampled rows."""
        ...

    def rows_after(self, cursors: Mapping[int, int], *, metrics: Sequence[str] = ...) -> pa.Table:
        """New rows."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """What is to be seen: runs, their names, the mode, the axes, the visible steps."""

    labels: tuple[tuple[int, str], ...]
    mode: Mode
    log_x: bool = True
    measures: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    note: str = ""

    @property
    def run_ids(self) -> list[int]:
        """The runs, in the order of selection."""
        return [run for run, _ in self.labels]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the panels show."""
        return ("accuracy", "loss", *self.measures)


@dataclass(slots=True)
class CurveStream:
    """The memory of one live chart."""

    name: str = field(default_factory=lambda: secrets.token_hex(4))
    seq: int = 0
    total: int = 0
    version: int = -1
    view: View | None = None
    attempts: dict[int, int] = field(default_factory=dict[int, int])
    cursors: dict[int, int] = field(default_factory=dict[int, int])
    splits: tuple[str, ...] = ()
    tables: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])

    def frame(
        self,
        lab: Curves,
        view: View,
        *,
        runs: Sequence[Row],
        events: Sequence[Row],
        version: int,
        everything: bool = False,
    ) -> bytes:
        """The next message; everything where the browser asked for it or the view changed."""
        attempts = {run["run_id"]: int(run.get("attempt") or 1) for run in runs}
        if everything or view != self.view or attempts != self.attempts:
            self.view, self.attempts = view, attempts
            return self._everything(lab, view, runs=runs, events=events, version=version)
        if version == self.version:
            return self._nothing()
        return self._news(lab, view, runs=runs, events=events, version=version)

    def _everything(
        self, lab: Curves, view: View, *, runs: Sequence[Row], events: Sequence[Row], version: int
    ) -> bytes:
        lines, self.total = read_lines(lab, view)
        self.splits = _splits(lines)
        self.cursors = dict.fromkeys(view.run_ids, 0)
        self._advance(lines)
        self.tables = dict(annotations(runs, events, view.mode))
        self.version = version
        self.seq += 1
        header = {
            **self._head(base=None),
            "figure": self._figure(view),
            "tables": self.tables,
            "range": view.range,
        }
        return pack_series(header, lines)

    def _news(
        self, lab: Curves, view: View, *, runs: Sequence[Row], events: Sequence[Row], version: int
    ) -> bytes:
        lines = series_of(lab.rows_after(self.cursors, metrics=view.metrics))
        n_new = sum(len(line.steps) for line in lines)
        if n_new > MOST_NEWS or set(_splits(lines)) - set(self.splits):
            return self._everything(lab, view, runs=runs, events=events, version=version)
        self.version = version
        tables = dict(annotations(runs, events, view.mode))
        if not lines and tables == self.tables:
            return self._nothing()
        base, self.seq = self.seq, self.seq + 1
        self._advance(lines)
        self.total += n_new
        header = self._head(base=base)
        if tables != self.tables:
            header["tables"] = self.tables = tables
        return pack_series(header, lines)

    def _nothing(self) -> bytes:
        return pack_series(self._head(base=self.seq), [])

    def _head(self, *, base: int | None) -> Row:
        return {
            "stream": self.name,
            "seq": self.seq,
            "base": base,
            "total": self.total,
            "limit": 2 * BUCKETS,
        }

    def _advance(self, lines: Sequence[Series]) -> None:
        for line in lines:
            if len(line.steps):
                run = int(line.run)
                self.cursors[run] = max(self.cursors.get(run, 0), int(line.steps[-1]))

    def _figure(self, view: View) -> Row:
        runs = tuple((str(run), label) for run, label in view.labels)
        figure = Figure(
            view.mode, self.splits or ("train", "test"), runs, view.log_x, view.measures
        )
        return {
            "id": f"{self.name}/{hash(figure)}",
            "spec": curves_spec(figure),
            "margins": margins(figure),
            "configs": {"light": vega_config("light"), "dark": vega_config("dark")},
            "names": dict(runs),
            "note": view.note,
            "alt": f"Accuracy above, loss below, over steps; {len(runs)} runs.",
            "bundle": bundle_url(),
        }


def read_lines(lab: Curves, view: View) -> tuple[list[Series], int]:
    """Every line of a view: all steps coarsely, those in the visible range finely; and the count.

    The count is that of the points that the lab holds.
    """
    metrics = view.metrics
    whole = lab.curves(view.run_ids, metrics=metrics, buckets=BUCKETS, log=view.log_x)
    total = int((whole.schema.metadata or {}).get(b"n_total", whole.num_rows))
    lines = series_of(whole)
    if view.range is None:
        return lines, total
    low, high = max(int(view.range[0]), 1), max(int(np.ceil(view.range[1])), 2)
    detail = lab.curves(
        view.run_ids, metrics=metrics, lo=low, hi=high, buckets=BUCKETS, log=view.log_x
    )
    fine = {(line.run, line.split, line.metric): line for line in series_of(detail)}
    return [_refined(line, fine.get((line.run, line.split, line.metric))) for line in lines], total


def _refined(line: Series, fine: Series | None) -> Series:
    if fine is None or not len(fine.steps):
        return line
    outside = (line.steps < fine.steps[0]) | (line.steps > fine.steps[-1])
    steps = np.concatenate([line.steps[outside], fine.steps])
    values = np.concatenate([line.values[outside], fine.values])
    order = np.argsort(steps, kind="stable")
    return Series(line.run, line.split, line.metric, steps[order], values[order])


def _splits(lines: Sequence[Series]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.split for line in lines if line.split))
