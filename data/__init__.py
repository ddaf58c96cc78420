"""What is learned: every task of the lab, its token sequences and its splits (numpy only)."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from data.comparison import task as comparison
from data.comparison.settings import ComparisonSettings
from data.composition import task as composition
from data.composition.settings import CompositionSettings
from data.modular import task as modular
from data.modular.settings import ModularSettings
from data.search import task as search
from data.search.settings import SearchSettings
from data.task import IGNORED, Split, TaskData, TaskSizes
from data.transfer import task as transfer
from data.transfer.settings import TransferSettings


def _modular_unless_said(settings: Any) -> Any:
    """Settings without a kind are modular, as they were when there was no other task."""
    named = not isinstance(settings, dict) or "kind" in settings
    return settings if named else {"kind": "modular", **settings}


TaskSettings = Annotated[
    ModularSettings | CompositionSettings | ComparisonSettings | SearchSettings | TransferSettings,
    Field(discriminator="kind"),
    BeforeValidator(_modular_unless_said),
]

_BUILD: dict[str, Callable[..., TaskData]] = {
    "modular": modular.build,
    "composition": composition.build,
    "comparison": comparison.build,
    "search": search.build,
    "transfer": transfer.build,
}
_SIZES: dict[str, Callable[..., TaskSizes]] = {
    "modular": modular.sizes,
    "composition": composition.sizes,
    "comparison": comparison.sizes,
    "search": search.sizes,
    "transfer": transfer.sizes,
}


def build_task(settings: TaskSettings, *, seed: int) -> TaskData:
    """The task's splits; the same settings and seed give the same arrays on every machine."""
    return _BUILD[settings.kind](settings, seed=seed)


def task_sizes(settings: TaskSettings) -> TaskSizes:
    """How large the task is, in milliseconds: for the launch form and cost estimates."""
    return _SIZES[settings.kind](settings)


__all__ = [
    "IGNORED",
    "ComparisonSettings",
    "CompositionSettings",
    "ModularSettings",
    "SearchSettings",
    "Split",
    "TaskData",
    "TaskSettings",
    "TaskSizes",
    "TransferSettings",
    "build_task",
    "task_sizes",
]
