"""Where the page starts: `streamlit run app/main.py`."""

import streamlit as st

from app import faults

st.set_page_config(page_title="Grokking Lab", page_icon=":material/auto_graph:", layout="wide")

page = st.navigation(
    [
        st.Page("pages/launch.py", title="Launch", icon=":material/rocket_launch:", default=True),
        st.Page("pages/live.py", title="Live", icon=":material/monitoring:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/table_rows:"),
    ],
    position="top",
)
faults.guarded(page.run)()
