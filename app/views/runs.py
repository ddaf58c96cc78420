"""Which runs are there? A table to find, describe, compare and clear them."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import links, session
from app.panels import table
from app.words import several


def main() -> None:
    """Draw the page."""
    st.title("Runs")
    everything = session.lab().runs()
    if not everything:
        st.info("No run yet.", icon=":material/table_rows:")
        st.page_link("views/launch.py", label="Launch the first run", icon=":material/play_arrow:")
        return
    found = table.filtered(everything)
    st.caption(f"{several(found)} of {len(everything)}, newest first")
    chosen = table.grid(found)
    if not chosen:
        st.caption("Select rows to describe, export, look at, or delete them.")
        return
    _act(chosen)


def _act(runs: Sequence[dict[str, Any]]) -> None:
    ids = [run["run_id"] for run in runs]
    with st.container(horizontal=True):
        st.page_link(
            "views/live.py",
            label=f"Look at {several(ids)}",
            icon=":material/monitoring:",
            query_params=links.of_runs(ids[: links.MAX_RUNS]),
        )
    table.actions(runs)
    table.describe(runs)


main()
