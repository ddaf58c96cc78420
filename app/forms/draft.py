"""What the launch form holds: a preset, the settings changed from it, and what is wrong."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.links import text_of
from engine import SECTIONS, InvalidConfig, RunConfig, kinds, parse_config

Tree = dict[str, dict[str, Any]]


@dataclass(slots=True)
class Draft:
    """One configuration in the making; `changes` may hold values that are not valid yet."""

    preset: str
    base: RunConfig
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    generation: int = 0
    """Grows when all fields must take new values; part of every field's key."""

    def tree(self) -> Tree:
        """The configuration as plain data, the changes applied."""
        tree: Tree = self.base.model_dump(mode="json")
        for dotted in sorted(self.changes, key=lambda name: not name.endswith(".kind")):
            section, _, name = dotted.partition(".")
            if name == "kind" and tree.get(section, {}).get("kind") != self.changes[dotted]:
                tree[section] = _defaults(section, self.changes[dotted])
            else:
                tree.setdefault(section, {})[name] = self.changes[dotted]
        return tree

    def value(self, dotted: str) -> Any:
        """The present value of a setting, valid or not."""
        section, _, name = dotted.partition(".")
        return self.tree()[section].get(name)

    def put(self, dotted: str, value: Any) -> None:
        """Change a setting; back to the preset's value it counts as unchanged."""
        section, _, name = dotted.partition(".")
        untouched = Draft(self.preset, self.base, self._other_kinds(section, name)).tree()
        if untouched[section].get(name) == value:
            self.changes.pop(dotted, None)
        else:
            self.changes[dotted] = value

    def put_kind(self, section: str, kind: str) -> None:
        """Another kind of a section; its settings start from their own defaults."""
        for dotted in [name for name in self.changes if name.startswith(f"{section}.")]:
            del self.changes[dotted]
        if self.base.model_dump()[section].get("kind") != kind:
            self.changes[f"{section}.kind"] = kind
        self.generation += 1

    def _other_kinds(self, section: str, name: str) -> dict[str, Any]:
        kind = f"{section}.kind"
        return {kind: self.changes[kind]} if name != "kind" and kind in self.changes else {}

    def check(self) -> tuple[RunConfig | None, dict[str, str]]:
        """The configuration, or None and what is wrong by dotted setting."""
        try:
            return parse_config(self.tree()), {}
        except InvalidConfig as error:
            return None, {problem.setting: problem.sentence for problem in error.problems}

    def command(self, seeds: int, name: str, *, tags: Sequence[str] = (), notes: str = "") -> str:
        """The same launch on the command line."""
        words = ["python", "-m", "engine", "run", self.preset]
        for dotted, value in self.changes.items():
            words += ["--set", f"{dotted}={text_of(value)}"]
        if seeds > 1:
            words += ["--seeds", str(seeds)]
        written = [("--name", name), *(("--tag", tag) for tag in tags), ("--notes", notes)]
        for flag, text in written:
            # what begins with a dash would be read as a flag
            words += [f"{flag}={text}"] if text.startswith("-") else [flag, text] if text else []
        return shlex.join(words)


def changes_between(base: RunConfig, config: RunConfig) -> dict[str, Any]:
    """The changes that turn `base` into `config`."""
    ours, theirs = config.model_dump(mode="json"), base.model_dump(mode="json")
    changes: dict[str, Any] = {}
    for section in SECTIONS:
        other = ours[section].get("kind") != theirs[section].get("kind")
        before = _defaults(section, ours[section].get("kind")) if other else theirs[section]
        changes |= {
            f"{section}.{name}": value
            for name, value in ours[section].items()
            if before.get(name) != value or (other and name == "kind")
        }
    return changes


def _defaults(section: str, kind: object) -> dict[str, Any]:
    known: Mapping[str, Any] = kinds(section)
    if str(kind) not in known:
        return {"kind": kind}
    return known[str(kind)]().model_dump(mode="json")
