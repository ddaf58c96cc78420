"""Which architectures exist: the union of their settings (no torch; networks are in `build`)."""

from typing import Annotated

from pydantic import Field

from engine.models.gpt.settings import GPTSettings
from engine.models.mamba.settings import MambaSettings

ModelSettings = Annotated[
    GPTSettings | MambaSettings,
    Field(discriminator="kind"),
]

__all__ = [
    "GPTSettings",
    "MambaSettings",
    "ModelSettings",
]
