"""Which architectures exist: the union of their settings (no torch; networks are in `build`)."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from engine.models.gpt.settings import GPTSettings
from engine.models.llama.settings import LlamaSettings
from engine.models.lstm.settings import LSTMSettings
from engine.models.mamba.settings import MambaSettings
from engine.models.mamba2.settings import Mamba2Settings
from engine.models.memory.settings import MemorySettings
from engine.models.mixers.settings.deltanet import DeltaNetSettings
from engine.models.mixers.settings.gated_deltanet import GatedDeltaNetSettings
from engine.models.mixers.settings.gla import GLASettings
from engine.models.mixers.settings.hybrid import HybridSettings
from engine.models.mixers.settings.linear_attention import LinearAttentionSettings
from engine.models.mixers.settings.retnet import RetNetSettings
from engine.models.mlp.settings import MLPSettings
from engine.models.rwkv4.settings import RWKV4Settings
from engine.models.rwkv7.settings import RWKV7Settings
from engine.models.trm.settings import TRMSettings
from engine.models.universal.settings import UniversalSettings


def _gpt_unless_said(settings: Any) -> Any:
    """Settings without a kind are a gpt's, as they were when there was no other network."""
    named = not isinstance(settings, dict) or "kind" in settings
    return settings if named else {"kind": "gpt", **settings}


ModelSettings = Annotated[
    GPTSettings
    | MambaSettings
    | Mamba2Settings
    | RWKV4Settings
    | LlamaSettings
    | LSTMSettings
    | MLPSettings
    | RWKV7Settings
    | UniversalSettings
    | MemorySettings
    | TRMSettings
    | LinearAttentionSettings
    | RetNetSettings
    | GLASettings
    | DeltaNetSettings
    | GatedDeltaNetSettings
    | HybridSettings,
    Field(discriminator="kind"),
    BeforeValidator(_gpt_unless_said),
]

__all__ = [
    "DeltaNetSettings",
    "GLASettings",
    "GPTSettings",
    "GatedDeltaNetSettings",
    "HybridSettings",
    "LSTMSettings",
    "LinearAttentionSettings",
    "LlamaSettings",
    "MLPSettings",
    "Mamba2Settings",
    "MambaSettings",
    "MemorySettings",
    "ModelSettings",
    "RWKV4Settings",
    "RWKV7Settings",
    "RetNetSettings",
    "TRMSettings",
    "UniversalSettings",
]
