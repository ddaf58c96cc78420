"""How a configuration is changed setting by setting: `section.name=value`, as typed or as data."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import ValidationError

from engine.config.fields import (
    SECTIONS,
    Setting,
    describe,
    is_number,
    kinds,
    section_model,
)
from engine.config.problems import InvalidConfig, Problem, from_validation, unknown_kind
from engine.config.problems import unknown_setting as unknown_setting_sentence
from engine.config.run import RunConfig

_WORDS = {"true": True, "false": False, "none": None, "null": None}


def parse_config(tree: object) -> RunConfig:
    """A `RunConfig` from plain data.

    Raises:
        InvalidConfig: with every problem, by setting.
    """
    if not isinstance(tree, Mapping):
        sentence = (
            f"a configuration is an object with {', '.join(SECTIONS)}, got {type(tree).__name__}"
        )
        raise InvalidConfig([Problem("", sentence)])
    try:
        return RunConfig.model_validate(_without_truths(cast("Mapping[str, Any]", tree)))
    except ValidationError as error:
        raise from_validation(error) from None


def _without_truths(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with `true` and `false`, 1 and 0 to Python, as words where a number belongs."""
    return {section: _worded(section, settings) for section, settings in tree.items()}


def _worded(section: str, settings: Any) -> Any:
    if section not in SECTIONS or not isinstance(settings, Mapping):
        return settings
    given = cast("Mapping[str, Any]", settings)
    kind = given.get("kind")
    fields = section_model(section, kind if isinstance(kind, str) else None).model_fields
    return {
        name: str(value).lower()
        if isinstance(value, bool) and name in fields and is_number(fields[name].annotation)
        else value
        for name, value in given.items()
    }


def parse_json(text: str, *, over: Mapping[str, Any] | None = None) -> RunConfig:
    """A `RunConfig` from JSON text.

    Settings that the text does not name are those of `over`, or else the defaults; a section of
    another kind than there starts from its defaults.

    Raises:
        InvalidConfig: naming line and column where the text is not JSON.
    """
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidConfig([Problem("", f"this is not JSON: {error.msg} at {place}")]) from None
    return parse_config(tree if over is None else _laid_over(tree, over))


def _laid_over(tree: Any, under: Mapping[str, Any]) -> Any:
    if not isinstance(tree, dict):
        return tree  # to be refused as it is
    sections: dict[str, Any] = dict(under)
    for section, settings in cast("dict[str, Any]", tree).items():
        below = under.get(section)
        if isinstance(settings, dict) and isinstance(below, Mapping):
            given = cast("dict[str, Any]", settings)
            alike = given.get("kind", below.get("kind")) == below.get("kind")
            sections[section] = {**below, **given} if alike else given
        else:
            sections[section] = settings
    return sections


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """`["optimizer.learning_rate=3e-3", …]` as a mapping of dotted names to values.

    Raises:
        InvalidConfig: for text of another form.
    """
    changes: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or "." not in name:
            sentence = f"'{text}' is not of the form section.key=value"
            raise InvalidConfig([Problem(text, sentence)])
        changes[name.strip()] = _value(value.strip())
    return changes


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):  # too long a number, or too deep, among them
            continue
    return text


def apply(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """`config` with the dotted settings changed; a new `kind` starts from its own defaults.

    Raises:
        InvalidConfig: for unknown names and values out of range; `config` is unchanged.
    """
    tree = config.model_dump()
    for dotted in sorted(changes, key=lambda name: not name.endswith(".kind")):
        section, _, name = dotted.partition(".")
        value = changes[dotted]
        if name == "kind":
            tree[section] = _fresh(section, value, tree)
        else:
            tree[section][name] = _chosen(_known(section, name, tree), value)
    return parse_config(tree)


def _chosen(setting: Setting, value: Any) -> Any:
    """`none` as typed is a choice of some settings, and nothing at all of others."""
    return "none" if value is None and "none" in setting.choices else value


def _fresh(section: str, kind: object, tree: Mapping[str, Any]) -> dict[str, Any]:
    if section not in SECTIONS or not kinds(section):
        raise InvalidConfig(
            [Problem(f"{section}.kind", unknown_setting_sentence(section, None, ["kind"]))]
        )
    if not isinstance(kind, str) or kind not in kinds(section):
        given = "none" if kind is None else str(kind)
        raise InvalidConfig([Problem(f"{section}.kind", unknown_kind(section, given))])
    if tree[section].get("kind") == kind:
        return tree[section]
    return {"kind": kind}


def _known(section: str, name: str, tree: Mapping[str, Any]) -> Setting:
    kind = tree.get(section, {}).get("kind")
    if section not in SECTIONS or name not in section_model(section, kind).model_fields:
        sentence = unknown_setting_sentence(section, kind, [name])
        raise InvalidConfig([Problem(f"{section}.{name}".rstrip("."), sentence)])
    return describe(section, name, section_model(section, kind).model_fields[name])


def differences(config: RunConfig, base: RunConfig) -> list[tuple[str, Any, Any]]:
    """The settings in which `config` differs: dotted name, value in `base`, value in `config`."""
    ours, theirs = config.model_dump(), base.model_dump()
    return [
        (f"{section}.{name}", theirs[section].get(name), value)
        for section in SECTIONS
        for name, value in ours[section].items()
        if theirs[section].get(name) != value
    ]
