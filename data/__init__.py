"""What is learned: every task of the lab, its token sequences and its splits, by numpy."""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator, Field

from data.comparison import task as comparison
from data.comparison.settings import ComparisonSettings
from data.composition import task as composition
from data.composition.settings import CompositionSettings
from data.in_context import task as in_context
from data.in_context.settings import InContextSettings
from data.modular import task as modular
from data.modular.settings import ModularSettings
from data.parity import task as parity
from data.parity.settings import ParitySettings
from data.permutation import task as permutation
from data.permutation.settings import PermutationSettings
from data.recall import task as recall
from data.recall.settings import RecallSettings
from data.search import task as search
from data.search.settings import SearchSettings
from data.table import task as table
from data.table.settings import TableSettings
from data.task import IGNORED, Split, TaskData, TaskSizes, is_held_out, is_memory
from data.transfer import task as transfer
from data.transfer.settings import TransferSettings
from data.triples import task as triples
from data.triples.settings import TriplesSettings


def _modular_unless_said(settings: Any) -> Any:
    """Settings without a kind are modular, as they were when there was no other task."""
    named = not isinstance(settings, dict) or "kind" in settings
    return settings if named else {"kind": "modular", **settings}


TaskSettings = Annotated[
    ModularSettings
    | CompositionSettings
    | ComparisonSettings
    | InContextSettings
    | ParitySettings
    | PermutationSettings
    | RecallSettings
    | SearchSettings
    | TableSettings
    | TransferSettings
    | TriplesSettings,
    Field(discriminator="kind"),
    BeforeValidator(_modular_unless_said),
]


class Task(Protocol):
    """What the module of a task offers."""

    def build(self, settings: Any, /, *, seed: int) -> TaskData:
        """The task's splits."""
        ...

    def positions(self, settings: Any, /) -> tuple[str, ...]:
        """What stands at each position of a row that asks for more than memory."""
        ...

    def sizes(self, settings: Any, /) -> TaskSizes:
        """How large it is."""
        ...


TASKS: Mapping[str, Task] = {
    "modular": modular,
    "composition": composition,
    "comparison": comparison,
    "in_context": in_context,
    "parity": parity,
    "permutation": permutation,
    "recall": recall,
    "search": search,
    "table": table,
    "transfer": transfer,
    "triples": triples,
}
"""The module of each kind."""


def build_task(settings: TaskSettings, *, seed: int) -> TaskData:
    """The task's splits; the same settings and seed give the same arrays on every machine."""
    return TASKS[settings.kind].build(settings, seed=seed)


def position_names(settings: TaskSettings, *, length: int) -> tuple[str, ...]:
    """What stands at each of `length` positions, by the shortest name that a figure can carry.

    Positions that the task does not name, and any that a network puts before its rows, are
    numbered from 0.
    """
    names = TASKS[settings.kind].positions(settings)
    return (*map(str, range(length - len(names))), *names)


def task_sizes(settings: TaskSettings) -> TaskSizes:
    """How large the task is, in milliseconds: for the launch form and cost estimates."""
    return TASKS[settings.kind].sizes(settings)


__all__ = [
    "IGNORED",
    "TASKS",
    "ComparisonSettings",
    "CompositionSettings",
    "InContextSettings",
    "ModularSettings",
    "ParitySettings",
    "PermutationSettings",
    "RecallSettings",
    "SearchSettings",
    "Split",
    "TableSettings",
    "TaskData",
    "TaskSettings",
    "TaskSizes",
    "TransferSettings",
    "TriplesSettings",
    "build_task",
    "is_held_out",
    "is_memory",
    "position_names",
    "task_sizes",
]
