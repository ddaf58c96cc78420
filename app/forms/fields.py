"""Which widget stands for which setting, and what its text means."""

from collections.abc import Callable
from types import NoneType
from typing import Any, get_args, get_origin

import streamlit as st

from app import session
from engine import Setting

BASIC = {
    "task": frozenset(
        {
            *("operation", "p", "group", "train_fraction", "phi", "n_entities", "n_relations"),
            *("out_degree", "n_attributes", "n_values", "hops", "n_bits", "k", "n_pairs"),
            *("n_queries", "n_shots", "n_new", "n_retained", "shown_share", "sha256", "header"),
        }
    ),
    "model": frozenset(
        {
            *("n_layers", "d_model", "n_heads", "d_mlp", "norm", "n_kv_heads", "d_state"),
            *("mixers", "n_loops", "h_cycles", "l_cycles", "n_memory_kv", "n_memory_tokens"),
        }
    ),
    "optimizer": frozenset({"learning_rate", "weight_decay"}),
    "training": frozenset({"steps", "batch_size", "seed"}),
}
"""Settings that are seen at once, by section; the others are folded away under Advanced."""


def is_basic(setting: Setting) -> bool:
    """Whether a setting is seen at once."""
    return setting.name in BASIC.get(setting.section, frozenset())


NAMES = {
    "p": "modulus p",
    "d_model": "width (d_model)",
    "n_layers": "layers",
    "n_heads": "attention heads",
    "d_mlp": "MLP width (d_mlp)",
}


def label(setting: Setting) -> str:
    """The words over a field."""
    return NAMES.get(setting.name, setting.name.replace("_", " "))


def draw(setting: Setting, value: Any, *, key: str) -> Any:
    """The field of a setting; returns what it holds, as a configuration would spell it."""
    return _drawer(setting)(setting, value, key)


def hint(setting: Setting) -> str:
    """What the field's question mark says: meaning, range, and the name on the command line."""
    rule = str(setting.range)
    return "\n\n".join(
        part
        for part in (setting.description, f"It {rule}." if rule else "", f"`{setting.dotted}`")
        if part
    )


def _drawer(setting: Setting) -> Callable[[Setting, Any, str], Any]:
    kinds = _kinds(setting.annotation)
    if setting.choices:
        return _choice
    if kinds == {bool}:
        return _switch
    if kinds == {int}:
        return _whole
    if kinds == {float} and _is_share(setting):
        return _share
    return _text


def _kinds(annotation: object) -> set[object]:
    """The plain types in an annotation, such as {int, NoneType}."""
    if get_origin(annotation) is tuple:
        return {tuple}
    parts = [part for part in get_args(annotation) if isinstance(part, type) or get_args(part)]
    if not parts:
        return {annotation}
    return set().union(*(_kinds(part) for part in parts))


def _is_share(setting: Setting) -> bool:
    low, high = setting.range.low, setting.range.high
    closed = not (setting.range.open_low or setting.range.open_high)
    return (
        low is not None
        and high is not None
        and low >= 0
        and 0.5 <= high <= 1
        and (closed and setting.name.endswith("fraction"))
    )


def _choice(setting: Setting, value: Any, key: str) -> Any:
    spelt = {str(choice): choice for choice in get_args(setting.annotation)}
    options = list(spelt)
    if str(value) not in options:
        options.append(str(value))
    picked = st.selectbox(
        label(setting), options, index=options.index(str(value)), key=key, help=hint(setting)
    )
    return spelt.get(picked, picked)


def _switch(setting: Setting, value: Any, key: str) -> Any:
    return st.toggle(label(setting), value=bool(value), key=key, help=hint(setting))


def _whole(setting: Setting, value: Any, key: str) -> Any:
    if not isinstance(value, int):
        return _text(setting, value, key)
    # a field that is cleared goes back to `value`: to what it held, not to what was drawn before
    held = session.widget(key)
    value = held if isinstance(held, int) else value
    return st.number_input(label(setting), value=value, step=1, key=key, help=hint(setting))


def _share(setting: Setting, value: Any, key: str) -> Any:
    low, high = float(setting.range.low or 0), float(setting.range.high or 1)
    if not isinstance(value, int | float) or not low <= value <= high:
        return _text(setting, value, key)
    held = st.slider(label(setting), low, high, float(value), 0.01, key=key, help=hint(setting))
    # the browser adds up hundredths
    return value if held == value else round(held, 6)


def _text(setting: Setting, value: Any, key: str) -> Any:
    empty = "follows seed" if setting.name.endswith("_seed") else ""
    typed = st.text_input(
        label(setting), value=shown(value), key=key, help=hint(setting), placeholder=empty
    )
    if typed == shown(value):
        return value
    kinds = _kinds(setting.annotation)
    if not (typed or "").strip() and str not in kinds:
        return None
    return meant(typed or "", optional=NoneType in kinds, several=tuple in kinds)


def shown(value: Any) -> str:
    """A value as it stands in a text field: short, and nothing of it rounded away."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(shown(part) for part in value)
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)


def meant(typed: str, *, optional: bool = False, several: bool = False) -> Any:
    """What was typed, as a number, None, or, failing that, the text itself.

    Only a setting of several values is a list: elsewhere a comma is no decimal point.
    """
    typed = typed.strip()
    if not typed and optional:
        return None
    if several and "," in typed:
        return [meant(part) for part in typed.split(",")]
    for kind in (int, float):
        try:
            return kind(typed)
        except ValueError:
            continue
    return typed
