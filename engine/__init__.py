"""How it is learned and recorded: the front door, all that the app and scripts may use.

Importing it loads neither torch nor the database. The client, and Arrow with it, come at first
use: workers import this package too and need neither.
"""

from typing import TYPE_CHECKING, Any

from data import is_held_out, is_memory, position_names
from engine.config import (
    MOST_SEEDS,
    InvalidConfig,
    Problem,
    RunConfig,
    apply,
    differences,
    parse_assignments,
    parse_config,
    parse_json,
)
from engine.config.fields import SECTIONS, Kind, Setting, describe_kind, kinds, settings_of
from engine.config.presets import PRESETS, Expectation, Preset
from engine.errors import (
    EngineUnavailable,
    LabError,
    NotPossible,
    QueryRefused,
    RunNotFound,
    SettingsError,
    StoreUnavailable,
    UploadRefused,
)

if TYPE_CHECKING:
    from engine.client import Lab, connect


def __getattr__(name: str) -> Any:
    if name in ("Lab", "connect"):
        from engine import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "MOST_SEEDS",
    "PRESETS",
    "SECTIONS",
    "EngineUnavailable",
    "Expectation",
    "InvalidConfig",
    "Kind",
    "Lab",
    "LabError",
    "NotPossible",
    "Preset",
    "Problem",
    "QueryRefused",
    "RunConfig",
    "RunNotFound",
    "Setting",
    "SettingsError",
    "StoreUnavailable",
    "UploadRefused",
    "apply",
    "connect",
    "describe_kind",
    "differences",
    "is_held_out",
    "is_memory",
    "kinds",
    "parse_assignments",
    "parse_config",
    "parse_json",
    "position_names",
    "settings_of",
]
