"""Which runs are there? A table to find, describe, compare and clear them."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import links, session
from app.faults import guarded
from app.panels import commands, dialogs, filters, status, table
from app.words import ALIVE, several

TICK_SECONDS = 1.0
IDLE_SECONDS = 5.0
"""Between ticks while nothing trains or waits: runs may still be launched elsewhere."""


def main() -> None:
    """Draw the page."""
    st.title("Runs")
    everything = session.listing().look(session.lab())
    if not everything:
        st.info("No run yet.", icon=":material/table_rows:")
        st.page_link("views/launch.py", label="Launch the first run", icon=":material/play_arrow:")
        return
    found = filters.filtered(everything)
    above, below = st.container(), st.container()
    chosen = table.chosen(found)
    with below:
        if found:
            _act(chosen)
        else:
            filters.nothing_fits()
    alive = any(run["state"] in ALIVE for run in everything)
    with above:  # drawn last: it tells what a button has just asked for
        st.fragment(_panel, run_every=TICK_SECONDS if alive else IDLE_SECONDS)(
            table.standing(everything), _numbers(found), _numbers(chosen)
        )


def _numbers(runs: Sequence[dict[str, Any]]) -> list[int]:
    return [run["run_id"] for run in runs]


@guarded
def _panel(standing: tuple[Any, ...], found: Sequence[int], chosen: Sequence[int]) -> None:
    """The table and how the selected runs stand; run again at every tick."""
    everything = session.listing().look(session.lab())
    moved = (
        table.standing(everything) != standing or _numbers(filters.fitting(everything)) != found
    )
    if moved and not dialogs.is_asking():
        st.rerun()
    by_number = {run["run_id"]: run for run in everything}
    st.caption(f"{several(found)} of {len(everything)}, newest first")
    if not found:
        return
    selected = table.grid([by_number[run] for run in found if run in by_number])
    if _numbers(selected) != chosen and not dialogs.is_asking():
        st.rerun()
    if selected:
        status.heading(selected, commands.asked(selected))


def _act(runs: Sequence[dict[str, Any]]) -> None:
    if not runs:
        st.caption("Select rows to describe, export, look at, or delete them.")
        return
    ids = _numbers(runs)
    with st.container(horizontal=True):
        st.page_link(
            "views/live.py",
            label=links.invitation(ids),
            icon=":material/monitoring:",
            query_params=links.of_runs(ids[: links.MAX_RUNS]),
        )
    table.actions(runs)
    table.describe(runs)


main()
