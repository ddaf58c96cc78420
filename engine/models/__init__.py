"""Which architectures exist: the union of their settings (no torch; networks are in `build`)."""

from typing import Annotated

from pydantic import Field

from engine.models.gpt.settings import GPTSettings
from engine.models.mamba.settings import MambaSettings
from engine.models.mamba2.settings import Mamba2Settings

ModelSettings = Annotated[
    GPTSettings | MambaSettings | Mamba2Settings,
    Field(discriminator="kind"),
]

__all__ = [
    "GPTSettings",
    "Mamba2Settings",
    "MambaSettings",
    "ModelSettings",
]
