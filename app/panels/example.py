"""What is asked: a drawn row of each split of the task, before anything is launched."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import session
from app.words import count, percent, plain
from engine import Lab, LabError, RunConfig, parse_config

Row = dict[str, Any]


def example(lab: Lab, config: RunConfig) -> bool:
    """Rows as the network reads them, the answers after the position where they are read.

    Says whether there are any: a draw may leave too little.
    """
    try:
        found = session.example(lab, config)
    except LabError as error:
        st.error(plain(error), icon=":material/error:")
        return False
    st.caption(
        f"A uniform guess is right in {percent(found['chance'])} of cases, the most frequent "
        f"answer in {percent(found['majority'])}."
    )
    with st.expander("What is asked", key="example"):
        st.markdown("\n".join(f"- {_line(row)}" for row in found["rows"]))
        st.caption(f"Drawn with seed {found['seed']}: what the first run is given.")
    return True


def asked(lab: Lab, run: Mapping[str, Any]) -> None:
    """The same for a run that was launched; built when it is opened, for it may take seconds."""
    fold = st.expander("What is asked, and of how many rows", key="asked-rows", on_change="rerun")
    if not fold.open:
        return
    with fold:
        try:
            found = session.example(lab, parse_config(run["config"]))
        except LabError as error:
            st.warning(plain(error), icon=":material/dataset:")
            return
        st.markdown("\n".join(f"- {_line(row)}" for row in found["rows"]))
        st.caption(f"Run {run['run_id']}, drawn with seed {found['seed']}.")


def _line(row: Row) -> str:
    answers = {int(position): str(answer) for position, answer in row["answers"]}
    words: list[str] = []
    for position, token in enumerate(row["tokens"]):
        words.append(plain(token))
        if position in answers:
            words.append(f"→ **{plain(answers[position])}**")
    return f"{row['split']} ({count(row['examples'])}): {' '.join(words)}"
