"""Which architectures exist: the union of their settings (no torch; networks are in `build`)."""

from typing import Annotated

from pydantic import Field

from engine.models.gpt.settings import GPTSettings
from engine.models.llama.settings import LlamaSettings
from engine.models.memory.settings import MemorySettings
from engine.models.trm.settings import TRMSettings
from engine.models.universal.settings import UniversalSettings

ModelSettings = Annotated[
    GPTSettings | LlamaSettings | UniversalSettings | MemorySettings | TRMSettings,
    Field(discriminator="kind"),
]

__all__ = [
    "GPTSettings",
    "LlamaSettings",
    "MemorySettings",
    "ModelSettings",
    "TRMSettings",
    "UniversalSettings",
]
