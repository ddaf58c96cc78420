"""Where the page starts: `streamlit run app/main.py`."""

from pathlib import Path

import streamlit as st

from app import collector, faults, session

_ICON = Path(__file__).parent / "static" / "icon.svg"
_COMPACT = (
    "<style>.stMainBlockContainer { padding-top: 3.4rem; padding-bottom: 2rem; }"
    " .st-key-room, :has(> .st-key-room) { max-height: max(24.2rem, 100vh - 26rem); }"
    " .stMainBlockContainer h1 { font-size: 1.8rem; padding: .4rem 0 .7rem; }"
    " @media (max-width: 1150px) {"
    " .stMainBlockContainer { padding-left: 1.5rem; padding-right: 1.5rem; }"
    " .st-key-sides .stColumn { min-width: 100%; }"
    " [class*=st-key-cards] .stColumn { min-width: 13rem; } }</style>"
)

st.set_page_config(page_title="Grokking Lab", page_icon=_ICON, layout="wide")
st.html(_COMPACT)

page = st.navigation(
    [
        st.Page("views/launch.py", title="Launch", icon=":material/rocket_launch:", default=True),
        st.Page("views/live.py", title="Live", icon=":material/monitoring:"),
        st.Page("views/runs.py", title="Runs", icon=":material/table_rows:"),
    ],
    position="top",
)
faults.guarded(page.run)()
collector.settle()
session.give_way()  # nothing that takes time comes after it
