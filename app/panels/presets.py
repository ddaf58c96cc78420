"""Which presets there are, as cards to start from."""

import streamlit as st

from app.words import plain
from engine import PRESETS


def cards(chosen: str) -> str | None:
    """One card a preset; returns the name of the card that was just clicked."""
    clicked = None
    columns = st.columns(len(PRESETS))
    for column, preset in zip(columns, PRESETS.values(), strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"**{plain(preset.title)}**")
            st.caption(plain(preset.description))
            st.caption(f":material/insights: {plain(preset.expectation)}")
            picked = preset.name == chosen
            if st.button(
                "Chosen" if picked else "Start from this",
                key=f"preset-{preset.name}",
                type="primary" if picked else "secondary",
                icon=":material/check:" if picked else None,
                width="stretch",
            ):
                clicked = preset.name
    return clicked
