"""How is it going? Status, controls, curves, attention and events of the runs in the address."""

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import links, session
from app.charts.markers import Mode
from app.faults import guarded
from app.live import components
from app.live.stream import View
from app.panels import (
    attention,
    commands,
    controls,
    dialogs,
    events,
    example,
    exports,
    settings,
    shots,
    status,
)
from app.words import ALIVE, plain, run_title
from engine import Lab

TICK_SECONDS = 1.0
SOONER = {"starting": 0.25, "queued": 0.5}
"""Seconds between ticks while a first point is waited for."""
CHART = "curves"
MEASURES = ("weight_norm", "gradient_norm", "learning_rate")
Row = dict[str, Any]


def main() -> None:
    """Draw the page."""
    lab = session.lab()
    everything = lab.runs()
    if not everything:
        _empty()
        return
    heading = st.container()
    bar = st.container(horizontal=True, vertical_alignment="center", gap="xsmall")
    with bar:
        chosen = _picked(everything)
    if not chosen:
        heading.title("Live")
        st.info("None of the runs in this address exists. Pick others above.")
        return
    with heading:
        _title(chosen)
    with bar:
        view = _view(chosen)
    controls.toolbar(chosen)
    dialogs.show(chosen)
    states = tuple(str(run["state"]) for run in chosen)
    st.fragment(_panel, run_every=_pace(states))(states, view)
    settings.panel(chosen)
    example.asked(lab, chosen[0])


def _pace(states: Sequence[str]) -> float | None:
    """Seconds between two ticks, None when nothing on view can change any more."""
    alive = [SOONER.get(state, TICK_SECONDS) for state in states if state in ALIVE]
    return min(alive, default=None)


def _empty() -> None:
    st.title("Live")
    st.info(
        "No run yet. Launch one and watch test accuracy stay at chance while train accuracy is "
        "at 100 %, and then see it jump.",
        icon=":material/rocket_launch:",
    )
    st.page_link("views/launch.py", label="Launch the first run", icon=":material/play_arrow:")


def _picked(everything: Sequence[Row]) -> list[Row]:
    by_id = {run["run_id"]: run for run in everything}
    wanted = links.runs() or _newest(everything)
    links.put(runs=",".join(map(str, wanted)))
    here = [run for run in wanted if run in by_id]
    with st.popover(f"On view: {len(here)} of {len(everything)}", icon=":material/list:"):
        picked = st.multiselect(
            "runs",
            list(by_id)[::-1],
            default=here,
            format_func=lambda run: f"{run_title(by_id[run])} · {by_id[run]['state']}",
            max_selections=links.MAX_RUNS,
            key=f"picked-{','.join(map(str, here))}",
        )
        together = _launched_together(everything, here)
        if together != here and st.button("All runs of this launch", key="whole-sweep"):
            picked = together
    if picked and picked != here:
        links.put(runs=",".join(map(str, picked)), steps=None, at=None)
        st.rerun()
    return [by_id[run] for run in here]


def _newest(everything: Sequence[Row]) -> list[int]:
    return _launched_together(everything, [everything[-1]["run_id"]])


def _launched_together(everything: Sequence[Row], run_ids: Sequence[int]) -> list[int]:
    sweeps = {run["sweep_id"] for run in everything if run["run_id"] in run_ids}
    sweeps.discard(None)
    found = [run["run_id"] for run in everything if run["sweep_id"] in sweeps]
    return (found or list(run_ids))[: links.MAX_RUNS]


def _title(runs: Sequence[Row]) -> None:
    first = runs[0]
    name = _common_name(runs[:1]) if len(runs) == 1 else _common_name(runs) or f"{len(runs)} runs"
    number = f"run {first['run_id']}" if len(runs) == 1 else f"{len(runs)} runs"
    st.title(plain(name or number))
    if len(runs) > 1:
        return
    parts = [f"run {first['run_id']}, seed {first.get('seed')}"]
    if first.get("parent_run") is not None:
        parts.append(f"forked from run {first['parent_run']} at step {first['parent_step']:,}")
    parts += [f":gray-badge[{plain(tag)}]" for tag in first.get("tags") or []]
    lines = [" · ".join(parts), *([plain(first["notes"])] if first["notes"] else [])]
    # no caption: it would fade the badges too
    st.markdown("  \n".join(f":small[{line}]" for line in lines))


def _common_name(runs: Sequence[Row]) -> str:
    """What a figure of the runs is called; nothing where they have different names."""
    names = {str(run.get("name") or "") for run in runs}
    name = names.pop() if len(names) == 1 else ""
    return f"{name}, {len(runs)} runs" if name and len(runs) > 1 else name


def _mode(runs: Sequence[Row]) -> Mode:
    if len(runs) == 1:
        return "split"
    alike = {json.dumps(_but_seed(run["config"]), sort_keys=True) for run in runs}
    # an unchanged fork has the seed of its parent
    seeds = {run["config"]["training"]["seed"] for run in runs}
    return "seeds" if len(alike) == 1 and len(seeds) == len(runs) else "runs"


def _but_seed(config: Row) -> Row:
    training = {name: value for name, value in config["training"].items() if name != "seed"}
    return {**config, "training": training}


def _view(runs: Sequence[Row]) -> View:
    mode = _mode(runs)
    linear = st.toggle(
        "linear steps",
        value=links.text("x") == "linear",
        key="linear-x",
        help="Steps are logarithmic by default: that is where grokking is seen.",
    )
    known = [name for name in links.text("measures").split(",") if name in MEASURES]
    measures = st.pills(
        "more measures",
        MEASURES,
        selection_mode="multi",
        default=known,
        key="measures",
        format_func=lambda name: name.replace("_", " "),
        label_visibility="collapsed",
    )
    links.put(x="linear" if linear else None, measures=",".join(measures) or None)
    view = View(
        tuple((run["run_id"], run_title(run)) for run in runs),
        mode,
        log_x=not linear,
        measures=tuple(name for name in MEASURES if name in measures),
        range=links.visible_range(),
        note=_note(mode, len(runs)),
    )
    exports.menu(view, _common_name(runs))
    return view


def _note(mode: Mode, n_runs: int) -> str:
    if mode == "seeds":
        return f"median of {n_runs} seeds, band: quartiles, in log buckets of 6 %"
    if mode == "runs":
        return (
            "hue tells runs apart, dotted is train · upright lines: grey memorised, purple onset, "
            "green grokked, red collapsed or diverged, dashed a note or a fork"
        )
    return ""


@guarded
def _panel(states: tuple[str, ...], view: View) -> None:
    """Everything that moves; run again every second while a run on view can change."""
    lab = session.lab()
    watch = session.watch()
    watch.look(lab, view.run_ids)
    if tuple(str(run["state"]) for run in watch.runs) != states and not dialogs.is_asking():
        st.rerun()
    with st.container(gap="xsmall"):
        status.heading(watch.runs, commands.asked(watch.runs))
        status.faults(watch.runs, watch.events)
        status.figures(watch.runs)
        status.system(watch.runs)
    # `main.py` puts one below the other where the window is narrow
    left, right = st.container(key="sides").columns([13, 7], gap="medium")
    with left:
        _curves(lab, watch, view)
        shots.panel(lab, watch.runs)
        events.listing(watch.events, several=len(watch.runs) > 1)
    with right:
        attention.panel(lab, watch.runs)


def _curves(lab: Lab, watch: session.Watch, view: View) -> None:
    seen = View(
        view.labels, view.mode, view.log_x, view.measures, links.visible_range(), view.note
    )
    message = watch.stream.frame(
        session.SharedCurves(lab, watch.version),
        seen,
        runs=watch.runs,
        events=watch.events,
        version=watch.version,
        everything=watch.resync,
    )
    watch.resync = False
    components.curves(message, key=CHART, on_range=_zoomed, on_resync=_missed)


def _zoomed() -> None:
    state = session.widget(CHART) or {}
    links.put_range(state.get("range"))


def _missed() -> None:
    session.watch().resync = True


main()
