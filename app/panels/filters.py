"""Which runs are wanted? Words, settings and kinds that a run must have, in the address."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """What a setting or figure must be: `optimizer.weight_decay >= 3`, `seed = 2`."""

    name: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{self.value}"

    def holds(self, run: Mapping[str, Any]) -> bool:
        """Whether a run has such a setting or figure and it compares so; 3 equals 3.0."""
        values = [
            shown(value).replace(" ", "").lower()
            for names, value in _asked_for(run)
            if self.name in names
        ]
        equal = [_number(value) == _number(self.value) for value in values]
        if self.sign == "=":
            return any(equal)
        if self.sign == "!=":
            return bool(values) and not any(equal)
        wanted, compare = _number(self.value), _ORDERS[self.sign]
        numbers = [number for value in values if isinstance(number := _number(value), float)]
        return isinstance(wanted, float) and any(compare(number, wanted) for number in numbers)


def _asked_for(run: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What a term may ask of a run: names, and the value that bears them."""
    for section, settings in run.get("config", {}).items():
        for name, value in settings.items():
            yield (name, f"{section}.{name}"), value
    for name, value in run.items():
        if value is not None and not isinstance(value, Mapping | list):
            yield (name,), value


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
            placeholder="words, phi=8",
            key="text",
            bind="query-params",
            help="Words that a run must all have in its number, name, notes or settings, such as "
            "`stablemax`, `phi=8`, `task.p != 97` or `weight_decay >= 0.5`; and figures of the "
            "run: `test_accuracy > 0.9`, `grokked_step < 3000`, `seed=2`, `state=running`.",
        )
    for column, kind in zip(columns[1:5], _KINDS, strict=True):
        with column:
            _choice(kind, {str(run[kind]) for run in runs if run.get(kind)})
    with columns[5]:
        _choice("tag", {tag for run in runs for tag in run.get("tags") or []})
    found = fitting(runs)
    if not found:
        for sentence in unknown(runs, str(text or "")):
            st.warning(plain(sentence), icon=":material/help:")
    return found


def fitting(runs: Sequence[Run]) -> list[Run]:
    """The runs that pass the filters as they stand on the page, newest first."""
    text = str(session.widget("text") or "")
    chosen = {kind: session.widget(kind) or [] for kind in _KINDS}
    tags = session.widget("tag") or []
    return [run for run in runs[::-1] if passes(run, text, chosen=chosen, tags=tags)]


def _choice(key: str, known: set[str]) -> None:
    standing = session.widget(key)
    asked = links.every(key) if standing is None else standing
    # what no run has any more stays asked for: the page shows what its address says
    options = sorted(known.union(asked))
    none = "any" if options else "none yet"
    st.multiselect(key, options, key=key, bind="query-params", placeholder=none)


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
    words, terms = parsed(text)
    has_words = all(word in written or word in _values(run) for word in words)
    has_settings = all(str(term) in written or term.holds(run) for term in terms)
    of_kinds = all(str(run.get(kind)) in wanted for kind, wanted in chosen.items() if wanted)
    tagged = not tags or bool(set(tags) & set(run.get("tags") or []))
    return has_words and has_settings and of_kinds and tagged


def _values(run: Mapping[str, Any]) -> set[str]:
    """Settings that are words: `stablemax`."""
    return {
        value.lower()
        for settings in run.get("config", {}).values()
        for value in settings.values()
        if isinstance(value, str)
    }


def unknown(runs: Sequence[Run], text: str) -> list[str]:
    """What to say of names in a filter that nothing has, with the nearest that something has."""
    known = _names().union(*(run.keys() for run in runs))
    for run in runs:
        known |= {name for names, _ in _asked_for(run) for name in names}
    sentences: list[str] = []
    for name in dict.fromkeys(term.name for term in parsed(text)[1]):
        if name not in known:
            close = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            sentences.append(f"no setting or figure of a run is called '{name}'{hint}")
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
