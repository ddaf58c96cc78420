"""Which presets there are, as cards to start from."""

from collections.abc import Sequence

import streamlit as st

from app.words import plain
from engine import PRESETS, Preset

_A_ROW = 5


def cards(chosen: str) -> str | None:
    """One card a preset, under its heading; returns the name of the card that was just clicked.

    The first ones are in sight, the other headings are folded unless one of theirs is chosen.
    """
    clicked = None
    for heading, presets in _by_heading().items():
        if not heading:
            clicked = _rows(presets, chosen) or clicked
            continue
        open_now = any(preset.name == chosen for preset in presets)
        with st.expander(heading, expanded=open_now, key=f"presets-{heading}"):
            clicked = _rows(presets, chosen) or clicked
    return clicked


def _by_heading() -> dict[str, list[Preset]]:
    found: dict[str, list[Preset]] = {}
    for preset in PRESETS.values():
        found.setdefault(preset.group, []).append(preset)
    return found


def _rows(presets: Sequence[Preset], chosen: str) -> str | None:
    clicked = None
    for start in range(0, len(presets), _A_ROW):
        row = presets[start : start + _A_ROW]
        # `main.py` lets cards of this key wrap where the window is narrow
        cards = st.container(key=f"cards-{row[0].name}").columns(_A_ROW)
        for column, preset in zip(cards, row, strict=False):
            with (
                column,
                st.container(border=True, height="stretch", vertical_alignment="distribute"),
            ):
                clicked = _card(preset, chosen=preset.name == chosen) or clicked
    return clicked


def _card(preset: Preset, *, chosen: bool) -> str | None:
    with st.container():
        st.markdown(f"**{plain(preset.title)}**  \n`{preset.name}`")
        st.caption(plain(preset.description))
        st.caption(f":material/insights: {plain(preset.expectation)}")
    pressed = st.button(
        "Chosen" if chosen else "Start from this",
        key=f"preset-{preset.name}",
        type="primary" if chosen else "secondary",
        icon=":material/check:" if chosen else None,
        width="stretch",
    )
    return preset.name if pressed else None
