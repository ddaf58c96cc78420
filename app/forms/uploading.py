"""The field for data of the user's own: a file to upload, or one that is kept already."""

from typing import Any

import streamlit as st

from app import session
from app.forms import fields
from app.forms.draft import Draft
from app.words import count, plain, size
from engine import LabError, Setting

Row = dict[str, Any]
TYPES = ("csv", "tsv", "txt")


def draw(setting: Setting, draft: Draft, *, key: str) -> Any:
    """Draw the field; returns the name of the upload that was chosen or just taken in."""
    section = setting.section
    header = f"{section}.header"
    # its switch is drawn after this field, but may just have been pressed
    pressed = session.widget(f"{header}/{draft.generation}")
    reading = {
        "kind": str(draft.value(f"{section}.kind")),
        "header": (draft.value(header) if pressed is None else pressed) is True,
    }
    taken = _taken(key, reading)
    value = taken or draft.value(setting.dotted)
    try:
        kept = {row["sha256"]: row for row in session.lab().uploads()}
        # a file that was just taken in becomes the choice: a field of its own, that starts there
        chosen = _choose(setting, value, kept, key=f"{key}/{taken}" if taken else key)
        _describe(chosen, reading)
    except LabError as error:
        _complain(error)
        return value
    return chosen


def refused() -> bool:
    """Whether a file lies in the uploader that cannot be used."""
    return session.recall("upload-refused", False)


def forget() -> None:
    """Before the form is drawn anew: its uploader, if it has one, says it again."""
    session.remember("upload-refused", False)


def _taken(key: str, reading: Row) -> str | None:
    """The name of the file in the uploader; None where there is none, or it was refused."""
    file = st.file_uploader(
        "upload a file",
        type=list(TYPES),
        key=f"{key}/file",
        help="One row a line, its fields separated by commas or tabs, the last one the answer; "
        "for triples: head, relation, tail. It stays on the machine of the engine.",
    )
    if file is None:
        return None
    # every rerun of the page sees the file again
    seen = session.recall("uploads-taken", dict[tuple[Any, ...], str | LabError]())
    asked = (file.file_id, *reading.values())
    if asked not in seen:
        try:
            with st.spinner("Checking every line…"):
                seen[asked] = session.lab().upload(file.getvalue(), **reading)["sha256"]
        except LabError as error:
            seen[asked] = error
    outcome = seen[asked]
    if isinstance(outcome, LabError):
        _complain(outcome)
        session.remember("upload-refused", True)
        return None
    _names()[outcome] = file.name
    return outcome


def _names() -> dict[str, str]:
    """What this session's uploads were called; the lab knows them by their content."""
    return session.recall("upload-names", dict[str, str]())


def _choose(setting: Setting, value: Any, kept: dict[str, Row], *, key: str) -> str:
    options = [*kept] if value in kept else [*kept, str(value)]
    titles = {name: _title(name, kept.get(name)) for name in options}
    return st.selectbox(
        "data",
        options,
        index=options.index(str(value)),
        format_func=lambda name: titles[name],
        key=key,
        help=fields.hint(setting),
    )


def _title(name: str, row: Row | None) -> str:
    short = _names().get(name) or (f"{name[:12]}…" if len(name) > 12 else name)
    if row is None:
        return f"{short} · not kept here"
    return f"{row['example'] or short} · {size(row['bytes'])}"


def _describe(name: str, reading: Row) -> None:
    if len(name) != 64:
        return  # the setting's own check says what is wrong
    found = session.lab().describe_upload(name, **reading)
    st.caption(
        f"**{count(found['rows'])}** rows of {found['fields']} fields, "
        f"{count(found['names'])} names, {count(found['answers'])} different answers; first: "
        + "; ".join(plain(", ".join(row)) for row in found["first"])
    )


def _complain(error: LabError) -> None:
    st.markdown(f":red[:material/error: {plain(error)}]")
