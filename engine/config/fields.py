"""Which settings exist: one description per dotted name, for messages, forms, flags and docs."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config.run import RunConfig

SECTIONS = ("task", "model", "optimizer", "training")


@dataclass(frozen=True, slots=True)
class Range:
    """The values a number may take; a bound that is None does not exist."""

    low: int | float | None = None
    high: int | float | None = None
    open_low: bool = False
    open_high: bool = False
    multiple_of: int | float | None = None

    def __str__(self) -> str:
        multiple = f"be a multiple of {_bound(self.multiple_of)}" if self.multiple_of else ""
        if not (bounds := self._bounds()):
            return multiple and f"must {multiple}"
        return f"{bounds} and {multiple}" if multiple else bounds

    def _bounds(self) -> str:
        low, high = _bound(self.low), _bound(self.high)
        if (
            self.low is not None
            and self.high is not None
            and not (self.open_low or self.open_high)
        ):
            return f"must lie between {low} and {high}"
        parts = [
            f"must be {'greater than' if self.open_low else 'at least'} {low}" if low else "",
            f"{'below' if self.open_high else 'at most'} {high}" if high else "",
        ]
        return " and ".join(part for part in parts if part)


def _bound(value: int | float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One leaf of the configuration tree of a given kind."""

    section: str
    name: str
    annotation: object
    info: FieldInfo
    choices: tuple[str, ...]
    range: Range

    @property
    def dotted(self) -> str:
        """`section.name`, as `--set` and links spell it."""
        return f"{self.section}.{self.name}"

    @property
    def description(self) -> str:
        """The sentence that the declaration carries."""
        return " ".join((self.info.description or "").split())

    @property
    def published(self) -> str:
        """What was published of it, and what a tuned AdamW does; empty where nothing is told."""
        paragraphs = (self.info.description or "").split("\n\n")
        told = [part for part in paragraphs if part.lstrip().startswith("Published:")]
        return " ".join(" ".join(told).split())


def members(annotation: object) -> tuple[type[BaseModel], ...]:
    """The models of a section: one, or those of its union."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return tuple(m for m in get_args(annotation) if isinstance(m, type))
    return (annotation,) if isinstance(annotation, type) else ()


def kinds(section: str) -> dict[str, type[BaseModel]]:
    """The kinds that a section knows, each with its model; empty for `training`."""
    found: dict[str, type[BaseModel]] = {}
    for model in members(RunConfig.model_fields[section].annotation):
        if "kind" in model.model_fields:
            found[str(model.model_fields["kind"].default)] = model
    return found


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of task, model or optimiser is, as its settings' docstring says."""

    name: str
    description: str
    """One sentence."""
    source: str
    """Where it was published; empty where nothing is named."""


def describe_kind(section: str, kind: str) -> Kind:
    """The first sentence and the source of the docstring of a kind's settings."""
    text = " ".join((inspect.getdoc(kinds(section)[kind]) or "").split())
    said, _, source = text.partition("Source: ")
    sentence = re.split(r"(?<=[.?]) ", said.strip(), maxsplit=1)[0]
    return Kind(kind, sentence, source.strip().rstrip("."))


def section_model(section: str, kind: str | None = None) -> type[BaseModel]:
    """The model behind a section; of the given kind where it has several."""
    known = kinds(section)
    if kind is not None and kind in known:
        return known[kind]
    return members(RunConfig.model_fields[section].annotation)[0]


def settings_of(section: str, kind: str | None = None) -> Iterator[Setting]:
    """The settings of a section, in the order they are declared; `kind` itself left out."""
    for name, info in section_model(section, kind).model_fields.items():
        if name != "kind":
            yield describe(section, name, info)


def describe(section: str, name: str, info: FieldInfo) -> Setting:
    """What a declaration says about one setting."""
    return Setting(
        section=section,
        name=name,
        annotation=info.annotation,
        info=info,
        choices=_choices(info.annotation),
        range=_range(info.metadata) if info.metadata else _range(_inner_metadata(info.annotation)),
    )


def _choices(annotation: object) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(str(choice) for choice in get_args(annotation))
    return ()


def is_number(annotation: object) -> bool:
    """Whether a setting takes a number, or none at all."""
    if get_origin(annotation) is Annotated:
        return is_number(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return any(map(is_number, get_args(annotation)))
    return annotation is int or annotation is float


def _inner_metadata(annotation: object) -> list[object]:
    if get_origin(annotation) is Annotated:
        return _flat(get_args(annotation)[1:])
    for part in get_args(annotation):
        if found := _inner_metadata(part):
            return found
    return []


def _flat(metadata: tuple[object, ...]) -> list[object]:
    flat: list[object] = []
    for item in metadata:
        flat.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return flat


def _range(metadata: list[object]) -> Range:
    low = high = multiple_of = None
    open_low = open_high = False
    for item in metadata:
        match item:
            case annotated_types.Ge(ge=bound):
                low = bound
            case annotated_types.Gt(gt=bound):
                low, open_low = bound, True
            case annotated_types.Le(le=bound):
                high = bound
            case annotated_types.Lt(lt=bound):
                high, open_high = bound, True
            case annotated_types.MultipleOf(multiple_of=step):
                multiple_of = step
            case _:
                pass
    return Range(low, high, open_low, open_high, multiple_of)  # pyright: ignore[reportArgumentType]
