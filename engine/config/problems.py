"""What is wrong with a configuration, in sentences that let the user mend it."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError

from data.errors import SettingsError
from engine.config.fields import SECTIONS, Range, describe, kinds, section_model

_NOUNS = {"task": "task", "model": "model", "optimizer": "optimizer"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting that cannot be used, and why."""

    setting: str
    sentence: str


class InvalidConfig(SettingsError):
    """A configuration that cannot be used; `problems` lists every reason by setting."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.sentence for problem in self.problems))


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint that ends a message: the nearest valid name, or all of them."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"


def from_validation(error: ValidationError) -> InvalidConfig:
    """Translate pydantic's report into the lab's words."""
    return InvalidConfig([_problem(item) for item in error.errors(include_url=False)])


def _problem(item: Any) -> Problem:  # pydantic's ErrorDetails
    section, kind, names = _place(item["loc"])
    setting = ".".join([part for part in (section, *names) if part])
    given = item.get("input")
    match item["type"]:
        case "extra_forbidden":
            return Problem(setting, unknown_setting(section, kind, names))
        case "union_tag_invalid" | "union_tag_not_found":
            tag = given.get("kind") if isinstance(given, dict) else given
            return Problem(f"{section}.kind", unknown_kind(section, str(tag)))
        case "value_error":
            return Problem(setting, str(item["ctx"]["error"]))
        case "literal_error" if names[-1:] == ["kind"]:
            return Problem(setting, unknown_kind(section, str(given)))
        case "literal_error":
            choices = describe(*_field(section, kind, names[0])).choices
            hint = nearest("" if given is None else str(given), choices)
            listed = "" if hint.startswith("known") else f" (known: {', '.join(choices)})"
            return Problem(setting, f"{setting} cannot be {_shown(given)}; {hint}{listed}")
        case "missing" | "too_short" | "too_long" | "tuple_type" if names and (
            pair := _default(section, kind, names[0])
        ):
            form = ", ".join(map(str, pair))
            how_many = len(pair) if _is_fixed(section, kind, names[0]) else "one or more"
            rule = f"{section}.{names[0]} takes {how_many} values, as [{form}]"
            return Problem(setting, f"{rule}, got {_shown(given)}")
        case _:
            return Problem(setting, _out_of_range(item, section, kind, names, given))


def _out_of_range(
    item: Any, section: str, kind: str | None, names: Sequence[str], given: object
) -> str:
    setting = ".".join([part for part in (section, *names) if part])
    if item["type"].startswith("bool_"):
        return f"{setting} must be true or false, got {_shown(given)}"
    rule = describe(*_field(section, kind, names[0])).range if names else Range()
    sentence = str(rule)
    if not sentence or item["type"] in {"missing", "too_short", "too_long", "tuple_type"}:
        message = item["msg"][0].lower() + item["msg"][1:]
        return f"{setting or 'the configuration'}: {message}, got {_shown(given)}"
    if item["type"].startswith(("int_", "float_", "finite")) and not rule.multiple_of:
        whole = "a whole number" if item["type"].startswith("int_") else "a number"
        return f"{setting} {sentence} and be {whole}, got {_shown(given)}"
    return f"{setting} {sentence}, got {_shown(given)}"


def _shown(given: object) -> str:
    if given is None or isinstance(given, bool):
        return str(given).lower()
    text = repr(given) if not isinstance(given, float) else f"{given:g}"
    return text if len(text) <= 80 else text[:77] + "…"


def _place(loc: Sequence[str | int]) -> tuple[str, str | None, list[str]]:
    parts = [str(part) for part in loc]
    if not parts:
        return "", None, []
    section, rest = parts[0], parts[1:]
    if section in SECTIONS and rest and rest[0] in kinds(section):
        return section, rest[0], rest[1:]
    return section, None, rest


def _default(section: str, kind: str | None, name: str) -> tuple[object, ...]:
    """The default of a setting that has several values; empty for others."""
    default = section_model(section, kind).model_fields[name].default
    return default if isinstance(default, tuple) else ()


def _is_fixed(section: str, kind: str | None, name: str) -> bool:
    """Whether the number of values is that of the default."""
    annotation = section_model(section, kind).model_fields[name].annotation
    return Ellipsis not in get_args(annotation)


def _field(section: str, kind: str | None, name: str) -> tuple[str, str, Any]:
    return section, name, section_model(section, kind).model_fields[name]


def unknown_setting(section: str, kind: str | None, names: Sequence[str]) -> str:
    """The sentence for a setting that does not exist."""
    if section not in SECTIONS:
        return f"no section is called '{section}'; {nearest(section, SECTIONS)}"
    name = names[0] if names else ""
    known = list(section_model(section, kind).model_fields)
    whose = f"{section} ({kind})" if kind else section
    return f"{whose} has no setting '{name}'; {nearest(name, known)}"


def unknown_kind(section: str, kind: str) -> str:
    """The sentence for a task, model or optimizer that does not exist."""
    return f"no {_NOUNS[section]} is called '{kind}'; {nearest(kind, list(kinds(section)))}"
