"""What is shown when something cannot be done: one clear message, the way out, no traceback."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import streamlit as st

from app.words import plain
from engine import EngineUnavailable, LabError

Given = ParamSpec("Given")
Result = TypeVar("Result")


def guarded(draw: Callable[Given, Result]) -> Callable[Given, Result | None]:
    """`draw`, whose `LabError`s become messages on the page."""

    @wraps(draw)
    def shown(*args: Given.args, **kwargs: Given.kwargs) -> Result | None:
        try:
            return draw(*args, **kwargs)
        except LabError as error:
            show(error)
            return None

    return shown


def show(error: LabError) -> None:
    """The message of an error, as it was written for people."""
    if isinstance(error, EngineUnavailable):
        st.error(
            f"**The engine does not answer.** {plain(error)}\n\n"
            "Runs in progress are not affected: they go on without it. "
            "`python -m engine doctor` says what is wrong.",
            icon=":material/cloud_off:",
        )
        if st.button("Try again", type="primary", key="retry-engine"):
            st.rerun()
        return
    st.error(plain(error), icon=":material/error:")
