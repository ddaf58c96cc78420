"""Which runs are wanted? Words, settings and kinds that a run must have, in the address."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

import streamlit as st

from app import links, session
from app.forms.fields import shown
from app.words import plain
from engine import SECTIONS, kinds, settings_of

Run = dict[str, Any]
_KINDS = ("state", "task", "model", "optimizer")
_TERM = re.compile(r"([A-Za-z_][\w.]*)\s*(>=|<=|!=|=|>|<)\s*(\S+)")
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Term:
    """What one setting must be: `optimizer.weight_decay >= 3`, with or without the section."""

    name: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{self.value}"

    def holds(self, config: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether a configuration has such a setting and it compares so; 3 equals 3.0."""
        values = [
            shown(value).replace(" ", "").lower()
            for section, settings in config.items()
            for name, value in settings.items()
            if self.name in (name, f"{section}.{name}")
        ]
        equal = [_number(value) == _number(self.value) for value in values]
        if self.sign == "=":
            return any(equal)
        if self.sign == "!=":
            return bool(values) and not any(equal)
        wanted, compare = _number(self.value), _ORDERS[self.sign]
        numbers = [number for value in values if isinstance(number := _number(value), float)]
        return isinstance(wanted, float) and any(compare(number, wanted) for number in numbers)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def parsed(text: str) -> tuple[list[str], list[Term]]:
    """The plain words of a filter, and what it asks of settings, in lower case."""
    text = text.lower()
    terms = [Term(*found.groups()) for found in _TERM.finditer(text)]
    return _TERM.sub(" ", text).split(), terms


def filtered(runs: Sequence[Run]) -> list[Run]:
    """The runs that pass the filters, newest first; the filters are in the address."""
    columns = st.columns([3, 2, 2, 2, 2, 2])
    with columns[0]:
        text = st.text_input(
            "text",
            placeholder="in name, notes, settings: phi=8",
            key="text",
            bind="query-params",
            help="Words that a run must all have in its number, name, notes or settings, such as "
            "`stablemax`, `phi=8`, `task.p != 97` or `weight_decay >= 0.5`.",
        )
    chosen: dict[str, list[str]] = {}
    for column, kind in zip(columns[1:5], _KINDS, strict=True):
        with column:
            chosen[kind] = _choice(kind, {str(run[kind]) for run in runs if run.get(kind)})
    with columns[5]:
        tags = _choice("tag", {tag for run in runs for tag in run.get("tags") or []})
    text = str(text or "")
    found = [run for run in runs[::-1] if passes(run, text, chosen=chosen, tags=tags)]
    if not found:
        for sentence in unknown(runs, text):
            st.warning(plain(sentence), icon=":material/help:")
    return found


def _choice(key: str, known: set[str]) -> list[str]:
    standing = session.widget(key)
    asked = links.every(key) if standing is None else standing
    # what no run has any more stays asked for: the page shows what its address says
    return st.multiselect(key, sorted(known.union(asked)), key=key, bind="query-params")


def nothing_fits() -> None:
    """Say that no run passes, and offer the way back to all."""
    st.info("No run fits the filter.", icon=":material/filter_alt_off:")
    st.button("Clear the filter", key="clear-filter", on_click=_clear)


def _clear() -> None:
    session.remember("text", "")
    for key in (*_KINDS, "tag"):
        session.remember(key, [])


def passes(
    run: Mapping[str, Any], text: str, *, chosen: Mapping[str, Sequence[str]], tags: Sequence[str]
) -> bool:
    """Whether a run has all the words, one of each chosen kind, and one of the tags.

    A word is a part of what people wrote, a comparison of a setting, or a whole value.
    """
    written = f"{run['run_id']} {run.get('name')} {run.get('notes')}".lower()
    config = run.get("config", {})
    words, terms = parsed(text)
    values = {
        value.lower()
        for settings in config.values()
        for value in settings.values()
        if isinstance(value, str)
    }
    has_words = all(word in written or word in values for word in words)
    has_settings = all(str(term) in written or term.holds(config) for term in terms)
    of_kinds = all(str(run.get(kind)) in wanted for kind, wanted in chosen.items() if wanted)
    tagged = not tags or bool(set(tags) & set(run.get("tags") or []))
    return has_words and has_settings and of_kinds and tagged


def unknown(runs: Sequence[Run], text: str) -> list[str]:
    """What to say of names in a filter that no setting has, with the nearest that one has."""
    known = _names() | {
        spelt
        for run in runs
        for section, settings in run.get("config", {}).items()
        for name in settings
        for spelt in (name, f"{section}.{name}")
    }
    sentences: list[str] = []
    for name in dict.fromkeys(term.name for term in parsed(text)[1]):
        if name not in known:
            close = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            sentences.append(f"no setting is called '{name}'{hint}")
    return sentences


@cache
def _names() -> frozenset[str]:
    """Every setting there is, with and without its section."""
    names: set[str] = set()
    for section in SECTIONS:
        for kind in kinds(section) or (None,):
            for setting in settings_of(section, kind):
                names |= {setting.name, setting.dotted}
    return frozenset(names)
