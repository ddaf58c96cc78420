"""What a page's address says: every view can be linked to and is restored from its link."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from app.words import several

MAX_RUNS = 32
"""Runs that one figure shows at most."""


def runs() -> list[int]:
    """The runs named in `?runs=3,4,5`; what is not a number is left out."""
    numbers: list[int] = []
    for part in st.query_params.get("runs", "").split(","):
        if part.strip().isdecimal() and int(part) < 2**31 and int(part) not in numbers:
            numbers.append(int(part))
    return numbers[:MAX_RUNS]


def put(**values: object) -> None:
    """Set parts of the address; None or an empty text removes the part."""
    for name, value in values.items():
        text = "" if value is None else str(value)
        if st.query_params.get(name, "") == text:
            continue
        if text:
            st.query_params[name] = text
        else:
            del st.query_params[name]


def text(name: str, default: str = "") -> str:
    """One part of the address."""
    return st.query_params.get(name, default)


def every(name: str) -> list[str]:
    """A part of the address that may be there several times: `?tag=a&tag=b`."""
    return st.query_params.get_all(name)


def whole(name: str) -> int | None:
    """One part of the address as a whole number, None where it is absent or something else."""
    value = st.query_params.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 12 else None


def visible_range() -> tuple[float, float] | None:
    """The visible steps in `?steps=100-2000`."""
    low, _, high = st.query_params.get("steps", "").partition("-")
    try:
        ends = float(low), float(high)
    except ValueError:
        return None
    return ends if 0 < ends[0] < ends[1] < 1e12 else None


def put_range(ends: Iterable[float] | None) -> None:
    """Write the visible steps into the address."""
    put(steps="-".join(f"{end:.6g}" for end in ends) if ends else None)


def of_runs(run_ids: Iterable[int]) -> dict[str, str]:
    """The address of the live view of some runs."""
    return {"runs": ",".join(str(run) for run in run_ids)}


def invitation(run_ids: Sequence[int]) -> str:
    """The words on a link to the live view of some runs, newest first."""
    if len(run_ids) <= MAX_RUNS:
        return f"Look at {several(run_ids)}"
    return (
        f"Look at the newest {MAX_RUNS} of {several(run_ids)}: one figure shows {MAX_RUNS} at most"
    )


def settings() -> dict[str, Any]:
    """The changed settings that the address carries: `?task.p=97&optimizer.betas=[0.9,0.99]`."""
    return {
        name: value_of(text) for name, text in st.query_params.to_dict().items() if "." in name
    }


def put_settings(changes: Mapping[str, Any], **others: object) -> None:
    """Write changed settings and what else the launch page shows into the address, only these.

    The browser's way back brings parts along that belong to the page it comes from.
    """
    wanted = {name: text_of(value) for name, value in changes.items()} | others
    for name in [name for name in st.query_params if name not in wanted]:
        del st.query_params[name]
    put(**wanted)


def text_of(value: object) -> str:
    """A setting's value as `--set` and links spell it."""
    return value if isinstance(value, str) else json.dumps(value)


def value_of(text: str) -> Any:
    """What a link's text means: JSON where it is JSON, the text itself otherwise."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
