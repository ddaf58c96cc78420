"""Which optimisers exist: the union of their settings (no torch; updates are in `updates`)."""

from typing import Annotated

from pydantic import Field

from engine.optim.settings import (
    AdamSettings,
    AdamWSettings,
    LionSettings,
    MuonSettings,
    SGDSettings,
)

OptimizerSettings = Annotated[
    AdamWSettings | AdamSettings | SGDSettings | LionSettings | MuonSettings,
    Field(discriminator="kind"),
]

__all__ = [
    "AdamSettings",
    "AdamWSettings",
    "LionSettings",
    "MuonSettings",
    "OptimizerSettings",
    "SGDSettings",
]
