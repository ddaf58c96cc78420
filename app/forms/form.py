"""How the whole form is laid out: sections, basic and advanced fields, sentences beside them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.forms import fields, groups, uploading
from app.forms.draft import Draft
from app.words import plain
from engine import SECTIONS, Setting, describe_kind, kinds, settings_of

TITLES = {
    "task": "Task: what is learned",
    "model": "Model: what learns it",
    "optimizer": "Optimiser: how weights move",
    "training": "Training: how long, how exactly, where",
}
Slots = dict[str, DeltaGenerator]
_UPLOAD = "task.sha256"


def draw(draft: Draft) -> Slots:
    """Draw every field and take its value into the draft; returns a place under each field."""
    slots: Slots = {}
    for section in SECTIONS:
        with st.container(border=True):
            st.markdown(f"**{TITLES.get(section, section)}**")
            kind = _kind(draft, section, slots)
            settings = list(settings_of(section, kind))
            basic = [setting for setting in settings if fields.is_basic(setting)]
            others = [setting for setting in settings if not fields.is_basic(setting)]
            _grid(draft, basic, slots)
            if others:
                changed = sum(setting.dotted in draft.changes for setting in others)
                title = f"Advanced · {changed} changed" if changed else "Advanced"
                with st.expander(title, key=f"advanced-{section}"):
                    _grid(draft, others, slots)
    return slots


def tell(slots: Slots, problems: Mapping[str, str]) -> list[str]:
    """Write each problem under its field; returns those that have no field of their own."""
    homeless: list[str] = []
    for dotted, sentence in problems.items():
        slot = _slot(slots, dotted) or slots.get(f"{dotted}.{sentence.split()[0]}")
        if slot is None:
            homeless.append(sentence)
        else:
            slot.markdown(f":small[:red[:material/error: {plain(sentence)}]]")
    return homeless


def _slot(slots: Slots, dotted: str) -> DeltaGenerator | None:
    # a part of a pair, such as optimizer.betas.0, is told under the pair
    while dotted and dotted not in slots:
        dotted = dotted.rpartition(".")[0]
    return slots.get(dotted)


def _kind(draft: Draft, section: str, slots: Slots) -> str | None:
    known = list(kinds(section))
    if not known:
        return None
    present = str(draft.value(f"{section}.kind"))
    options = known if present in known else [*known, present]
    if len(options) > 1:
        chosen = st.selectbox(
            "kind",
            groups.ordered(section, options),
            index=groups.ordered(section, options).index(present),
            format_func=partial(groups.title, section),
            key=f"{section}.kind/{draft.generation}",
            help=f"`{section}.kind`",
        )
        slots[f"{section}.kind"] = st.empty()
        if chosen in known:
            st.caption(_described(section, chosen))
        if chosen != present:
            draft.put_kind(section, chosen)
            present = chosen
    return present if present in known else None


def _described(section: str, kind: str) -> str:
    about = describe_kind(section, kind)
    source = f" *{plain(about.source)}.*" if about.source else ""
    return plain(about.description) + source


def _grid(draft: Draft, settings: list[Setting], slots: Slots) -> None:
    uploads = [setting for setting in settings if setting.dotted == _UPLOAD]
    for setting in uploads:  # what is wrong with a file takes many words
        _named_field(draft, setting, slots)
    columns = st.columns(3)
    others = [setting for setting in settings if setting not in uploads]
    for i, setting in enumerate(others):
        with columns[i % 3]:
            _named_field(draft, setting, slots)


def _named_field(draft: Draft, setting: Setting, slots: Slots) -> None:
    key = f"{setting.dotted}/{draft.generation}"
    draft.put(setting.dotted, _field(draft, setting, key))
    slots[setting.dotted] = st.empty()
    if setting.published:
        st.caption(plain(setting.published))


def _field(draft: Draft, setting: Setting, key: str) -> Any:
    if setting.dotted == _UPLOAD:
        return uploading.draw(setting, draft, key=key)
    return fields.draw(setting, draft.value(setting.dotted), key=key)
