"""What one browser session remembers, and the lab that it talks to.

The only module that touches `st.session_state` and the caches. Nothing valuable is kept here:
runs are in the lab, views are in the address.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa
import streamlit as st

import engine
from app.live.stream import CurveStream

Row = dict[str, Any]
Kept = TypeVar("Kept")


@st.cache_resource(show_spinner=False)
def lab() -> engine.Lab:
    """The lab, shared by all sessions of this server."""
    return engine.connect()


def recall(key: str, default: Kept) -> Kept:
    """What was remembered under `key`, or `default`, which is then remembered."""
    return st.session_state.setdefault(key, default)


def remember(key: str, value: object) -> None:
    """Keep `value` under `key`."""
    st.session_state[key] = value


def forget(key: str) -> Any:
    """Take back what was remembered under `key`; None where nothing was."""
    return st.session_state.pop(key, None)


def give_way() -> None:
    """End this run here if the browser has asked for another one meanwhile.

    The next run of a session starts beside one that has not noticed yet, and a run that comes to
    its end takes back all fragments but its own: the buttons of a dialog that the next run has
    opened would do nothing. Whoever touches the session's state notices.
    """
    widget("nothing")


def widget(key: str) -> Any:
    """The value of a widget or component, as its callback sees it."""
    return st.session_state.get(key)


@st.cache_data(show_spinner=False, max_entries=64, ttl=600)
def _curves(_lab: engine.Lab, version: int, arguments: tuple[tuple[str, Any], ...]) -> pa.Table:
    del version  # part of the key alone: a newer version is another answer
    return _lab.curves(**dict(arguments))


@st.cache_data(show_spinner=False, max_entries=64, ttl=60)
def _rows_after(
    _lab: engine.Lab, version: int, cursors: tuple[tuple[int, int], ...], metrics: tuple[str, ...]
) -> pa.Table:
    del version
    return _lab.rows_after(dict(cursors), metrics=metrics)


def example(lab: engine.Lab, config: engine.RunConfig) -> Row:
    """A drawn row of each split of the task, asked for once a task and seed."""
    seeds = (config.training.seed, config.training.split_seed)
    return _example(lab, config.task.model_dump_json(), seeds, config)


@st.cache_data(show_spinner=False, max_entries=64)
def _example(
    _lab: engine.Lab, task: str, seeds: tuple[int | None, ...], _config: engine.RunConfig
) -> Row:
    del task, seeds  # the key
    return _lab.example(_config)


@dataclass(frozen=True, slots=True)
class SharedCurves:
    """Curves as of one version of the lab, queried once however many sessions look at them."""

    lab: engine.Lab
    version: int

    def curves(self, run_ids: Sequence[int], **more: Any) -> pa.Table:
        """Downsampled rows, as `Lab.curves` gives them."""
        arguments = {"run_ids": tuple(run_ids), **more}
        return _curves(self.lab, self.version, tuple(sorted(arguments.items())))

    def rows_after(self, cursors: Mapping[int, int], *, metrics: Sequence[str] = ()) -> pa.Table:
        """New rows, as `Lab.rows_after` gives them."""
        return _rows_after(self.lab, self.version, tuple(cursors.items()), tuple(metrics))


@dataclass(slots=True)
class Listing:
    """All runs, asked for again only when the lab has changed."""

    version: int = -1
    runs: list[Row] = field(default_factory=list[Row])

    def look(self, lab: engine.Lab) -> list[Row]:
        """The runs as of now, in one call that is cheap when nothing has changed."""
        version = lab.version()  # before the rows: what comes in between is told the next time
        if version != self.version:
            self.runs, self.version = lab.runs(), version
        return self.runs


def listing() -> Listing:
    """The listing of this session's page of runs."""
    return recall("listing", Listing())


@dataclass(slots=True)
class Watch:
    """The runs of one live view, asked for again only when the lab has changed."""

    run_ids: tuple[int, ...] = ()
    version: int = -1
    runs: list[Row] = field(default_factory=list[Row])
    events: list[Row] = field(default_factory=list[Row])
    stream: CurveStream = field(default_factory=CurveStream)
    resync: bool = False
    sent_heads: tuple[Any, ...] = ()
    snapshot_steps: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """The steps with attention maps of each run."""

    def look(self, lab: engine.Lab, run_ids: list[int]) -> None:
        """Bring runs and events up to date, in one call that is cheap when nothing has changed."""
        seen = self.version if tuple(run_ids) == self.run_ids else -1
        news = lab.look(run_ids, seen)
        if news is None:
            return
        found = {run["run_id"]: run for run in news["runs"]}
        self.runs = [found[run] for run in run_ids if run in found]
        self.events = news["events"]
        self.snapshot_steps = dict(news["snapshot_steps"])
        self.run_ids, self.version = tuple(run_ids), news["version"]


def watch() -> Watch:
    """The watch of this session's live page."""
    return recall("watch", Watch())
