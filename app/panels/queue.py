"""Who trains and who waits: the queue strip."""

from typing import Any

import streamlit as st

from app import session
from app.faults import guarded
from app.words import plain, several


@st.fragment(run_every=2)
@guarded
def strip() -> None:
    """One line, brought up to date every two seconds."""
    slots = session.lab().slots()
    waiting = list(slots.get("queued") or [])
    busy, total = slots.get("busy", 0), slots.get("total", 0)
    parts = [
        f":material/memory: **{busy} of {total}** workers busy",
        f"device {plain(slots.get('device', ''))}",
        _waiting(waiting),
    ]
    st.caption(" · ".join(part for part in parts if part))


def _waiting(waiting: list[Any]) -> str:
    if not waiting:
        return "nothing waits"
    named = ", ".join(str(run) for run in waiting[:8])
    return f"{several(waiting)} waiting: {named}{' …' if len(waiting) > 8 else ''}"
