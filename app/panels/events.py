"""What happened, at which step."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from app.words import count, percent, plain

Row = dict[str, Any]
SHOWN = 40

_ICONS = {
    "memorised": ":material/school:",
    "recalled": ":material/school:",
    "onset": ":material/trending_up:",
    "grokked": ":material/lightbulb:",
    "collapsed": ":material/trending_down:",
    "diverged": ":material/error:",
    "failed": ":material/error:",
    "paused": ":material/pause:",
    "resumed": ":material/play_arrow:",
    "forked": ":material/call_split:",
    "note": ":material/edit_note:",
}


def listing(events: Sequence[Row], *, several: bool) -> None:
    """The latest events, newest first."""
    st.markdown("**Events**")
    if not events:
        st.caption("No event is recorded.")
        return
    newest = sorted(events, key=lambda event: (event["step"] or 0, str(event.get("at"))))[::-1]
    lines = [line(event, several=several) for event in newest[:SHOWN]]
    if len(newest) > SHOWN:
        lines.append(f"and {len(newest) - SHOWN} earlier ones, in the export")
    st.markdown("  \n".join(lines))


def line(event: Row, *, several: bool) -> str:
    """One event as a line of Markdown."""
    icon = _ICONS.get(event["kind"], ":material/circle:")
    whose = f" run {event['run_id']}" if several else ""
    return (
        f"{icon} step **{count(event['step'])}**{whose} {plain(event['kind'])}"
        f"{_where(event)}{_detail(event)}"
    )


def _where(event: Row) -> str:
    """The split that a marker is about, where another could be meant."""
    split = (event.get("payload") or {}).get("split")
    return f" on {plain(split)}" if split and split not in ("train", "test") else ""


def _detail(event: Row) -> str:
    payload = event.get("payload") or {}
    if event["kind"] == "grokked" and event.get("value") is not None:
        return f", {count(event['value'])} steps after memorising"
    if (
        event["kind"] in ("memorised", "recalled", "onset", "collapsed")
        and event.get("value") is not None
    ):
        return f" at accuracy {percent(event['value'])}"
    text = payload.get("text") or payload.get("message") or ""
    at = event.get("at")
    when = f" ({at:%H:%M:%S} UTC)" if isinstance(at, datetime) else ""
    return f": {plain(text)}{when}" if text else ""
