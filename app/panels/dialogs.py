"""Dialogs that ask before harm is done, or for what a command needs to know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from app import links, session
from app.faults import guarded
from app.panels.commands import Run, able, ask
from app.panels.settings import lines_of
from app.words import count, plain, several
from engine import LabError, parse_assignments

_FOLLOWERS = {"composition": "transfer"}
"""The task that a network trained on another one can go on with."""


def open_one(verb: str) -> None:
    """Open the dialog of a command when the page is next drawn as far as `show`."""
    session.remember("dialog", verb)
    session.forget("fork-offer")


def show(runs: Sequence[Run]) -> None:
    """Keep the open dialog open: ticks and reruns must not close it."""
    verb = session.recall("dialog", "")
    shown: dict[str, Callable[[Sequence[Run]], None]] = {
        "kill": _kill,
        "delete": _delete,
        "fork": _fork,
        "extend": _extend,
        "note": _note,
    }
    if verb in shown and runs:
        shown[verb](runs)


def is_asking() -> bool:
    """Whether a dialog is open: drawn anew, it would lose what is being typed in it."""
    return bool(session.recall("dialog", ""))


def _close() -> None:
    session.remember("dialog", "")


def _decided(verb: str, *, key: str, disabled: bool = False) -> bool:
    """The two ways out of a dialog; whether it is the one that acts."""
    with st.container(horizontal=True, gap="small"):
        acts = st.button(verb, type="primary", key=key, disabled=disabled)
        leaves = st.button("Cancel", key=f"{key}-cancel")
    if leaves:
        _close()
        st.rerun()
    return acts


def _finish(act: Callable[[], None]) -> None:
    """Do it and close; a refusal stays in the dialog, where it can be mended."""
    try:
        act()
    except LabError as error:
        st.error(plain(error), icon=":material/error:")
        return
    _close()
    st.rerun()


@st.dialog("Kill?", on_dismiss=_close)
@guarded
def _kill(runs: Sequence[Run]) -> None:
    those = able("kill", runs)
    steps = ", ".join(f"run {run['run_id']} at step {count(run['last_step'])}" for run in those)
    st.write(f"This ends {several(those)} within 5 s: {steps}.")
    st.write(
        "A worker that still answers saves its state first; one that hangs loses what it has done "
        "since its latest checkpoint. Stop waits for the end of the steps under way."
    )
    if _decided("Kill", key="kill-now", disabled=not those):

        def act() -> None:
            for run in those:
                ask(run, "kill")

        _finish(act)


@st.dialog("Delete for good?", on_dismiss=_close)
@guarded
def _delete(runs: Sequence[Run]) -> None:
    those = able("delete", runs)
    named = "; ".join(plain(f"run {run['run_id']} {run.get('name') or ''}") for run in those)
    st.write(f"Curves, snapshots, checkpoints and notes of {several(those)} are deleted: {named}.")
    if _decided("Delete", key="delete-now", disabled=not those):
        gone = {run["run_id"] for run in those}

        def act() -> None:
            for run in those:
                session.lab().delete(run["run_id"])
            left = [run["run_id"] for run in runs if run["run_id"] not in gone]
            links.put(runs=",".join(map(str, left)) or None)

        _finish(act)


@dataclass(frozen=True, slots=True)
class _Offer:
    """The steps that a fork may start from, as the open dialog shows them."""

    run_id: int
    steps: tuple[int, ...]
    start: int
    told: str = ""


def _offered(run: Run) -> _Offer | None:
    """What was offered when the dialog was opened: a run that trains has others by now."""
    before: _Offer | None = session.recall("fork-offer", None)
    return before if before and before.run_id == run["run_id"] else _offer(run)


def _offer(run: Run, *, told: str = "") -> _Offer | None:
    rows = session.lab().checkpoints(run["run_id"])
    if not rows:
        return None
    # while it trains, the next checkpoint replaces the latest one unless that is to be kept
    trains = run["state"] in ("running", "stopping")
    lasting = [row for row in rows if row["kept"]] if trains else rows
    starts = [int(row["step"]) for row in lasting or rows]
    # at the end of the budget nothing is left to train
    unspent = [step for step in starts if step < int(run.get("budget") or 0)] or starts
    steps = tuple(sorted({int(row["step"]) for row in rows}))
    offer = _Offer(run["run_id"], steps, max(unspent), told)
    session.remember("fork-offer", offer)
    return offer


def _offer_anew(run: Run, step: int) -> None:
    """Show the steps there are now, where the one that was chosen is gone."""
    session.forget("fork-offer")
    _offer(
        run,
        told=f"The run has replaced its checkpoint of step {count(step)} by a later one. "
        "Nothing was forked yet: press Fork again to start from the step shown here.",
    )
    st.rerun()


@st.dialog("Fork at a step", on_dismiss=_close)
@guarded
def _fork(runs: Sequence[Run]) -> None:
    run = runs[0]
    offer = _offered(run)
    if offer is None:
        st.info("There is no checkpoint to fork from yet. Pause writes one.")
        return
    st.caption(f"A new run goes on from a checkpoint of run {run['run_id']}, with other settings.")
    step = st.select_slider(
        "from step",
        offer.steps,
        value=offer.start,
        format_func=count,
        key="fork-step",
        help="While a run trains, its latest checkpoint is replaced by the next; those at "
        "100, 178, 316, 562, 1,000, … steps stay.",
    )
    if offer.told:
        st.warning(offer.told, icon=":material/update:")
    teach = _FOLLOWERS.get(run["config"]["task"]["kind"])
    taught = teach and st.toggle(
        f"learn the task {teach} from here",
        key="fork-teach",
        help="New facts on the same graph, with a part of the old ones: `task.n_new` and "
        "`task.n_retained` say how many.",
    )
    text = st.text_area(
        "changed settings, one a line",
        placeholder="optimizer.weight_decay = 0.3\ntraining.steps = 40000",
        key="fork-settings",
        help="The same names as everywhere: `section.key = value`.",
    )
    with st.expander("Present settings", key="fork-present"):
        st.code("\n".join(lines_of(run)), language="toml")
    if _decided("Fork", key="fork-now"):
        there = {row["step"] for row in session.lab().checkpoints(run["run_id"])}
        if step not in there:
            _offer_anew(run, int(step))

        def act() -> None:
            typed = parse_assignments(filter(str.strip, text.splitlines()))
            overrides = ({"task.kind": teach} if taught else {}) | typed
            new = session.lab().fork(run["run_id"], int(step), overrides, exact=True)
            links.put(runs=f"{run['run_id']},{new}", steps=None)

        _finish(act)


@st.dialog("Extend the budget", on_dismiss=_close)
@guarded
def _extend(runs: Sequence[Run]) -> None:
    those = able("extend", runs)
    budget = max(int(run.get("budget") or 0) for run in those or runs)
    st.write(f"The budget is {count(budget)} steps. A run that has ended goes on.")
    steps = st.number_input(
        "new budget in steps", min_value=1, value=budget * 2, step=1000, key="extend-steps"
    )
    if _decided("Extend", key="extend-now", disabled=not those):

        def act() -> None:
            for run in those:
                session.lab().extend(run["run_id"], int(steps))

        _finish(act)


@st.dialog("Pin a note to a step", on_dismiss=_close)
@guarded
def _note(runs: Sequence[Run]) -> None:
    ids = [run["run_id"] for run in runs]
    run_id: int = st.selectbox("run", ids, key="note-run") or ids[0]
    last = next(run["last_step"] for run in runs if run["run_id"] == run_id)
    step = st.number_input("step", min_value=0, value=int(last), step=1, key="note-step")
    text = st.text_area("note", max_chars=4000, key="note-text")
    if not _decided("Pin", key="note-now"):
        return
    # a button that waits for a text would take the first click for the end of typing
    if not text.strip():
        st.error("A note needs a text: write it above, then pin it.", icon=":material/error:")
    else:
        _finish(lambda: session.lab().add_note(run_id, int(step), text.strip()))
