"""How it is learned and recorded: the front door, all that the app and scripts may use.

Importing it loads nothing: names come at first use, and Arrow with the client's alone. Workers
import this package too, and `python -m engine` imports it before it can take Ctrl-C in hand.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data import is_held_out, is_memory, position_names
    from engine.client import Lab, connect
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("Lab", "connect"):
        from engine import client

        return getattr(client, name)
    import data
    from engine import config, errors
    from engine.config import fields, presets

    rooms = (errors, config, fields, presets, data)
    return next(getattr(room, name) for room in rooms if hasattr(room, name))


def __dir__() -> list[str]:
    return __all__


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
