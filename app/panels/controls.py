"""A row of buttons for what can be done to the runs on view."""

from collections.abc import Sequence

import streamlit as st

from app.panels import dialogs
from app.panels.commands import Run, able, ask

_LOOKS = {
    "pause": (":material/pause:", "Pause"),
    "resume": (":material/play_arrow:", "Resume"),
    "stop": (":material/stop:", "Stop"),
    "fork": (":material/call_split:", "Fork…"),
    "extend": (":material/more_time:", "Extend…"),
    "note": (":material/edit_note:", "Note…"),
    "kill": (":material/dangerous:", "Kill…"),
    "delete": (":material/delete:", "Delete…"),
}


def toolbar(runs: Sequence[Run]) -> None:
    """A row of buttons; those that make no sense now cannot be pressed."""
    columns = st.container(horizontal=True, gap="xsmall")
    for verb, (icon, title) in _LOOKS.items():
        those = able(verb, runs)
        label = title if len(those) < 2 or verb == "note" else f"{title} ({len(those)})"
        with columns:
            if st.button(label, icon=icon, key=f"do-{verb}", disabled=not those):
                _press(verb, those)


def _press(verb: str, runs: Sequence[Run]) -> None:
    if verb in ("pause", "resume", "stop"):
        for run in runs:
            ask(run, verb)
    else:
        dialogs.open_one(verb)
