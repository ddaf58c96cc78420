"""How settings become a network."""

from collections.abc import Callable, Mapping
from typing import Any

from engine.models import ModelSettings
from engine.models.gpt.network import GPT
from engine.models.llama.network import Llama
from engine.models.lstm.network import LSTM
from engine.models.mamba.network import Mamba
from engine.models.mamba2.network import Mamba2
from engine.models.memory.network import Memory
from engine.models.mixers.network import MixerStack
from engine.models.mlp.network import MLP
from engine.models.network import Network
from engine.models.rwkv4.network import RWKV4
from engine.models.rwkv7.network import RWKV7
from engine.models.trm.network import TRM
from engine.models.universal.network import Universal

NETWORKS: Mapping[str, Callable[..., Network]] = {
    "gpt": GPT,
    "llama": Llama,
    "universal": Universal,
    "trm": TRM,
    "memory": Memory,
    "linear_attention": MixerStack,
    "retnet": MixerStack,
    "gla": MixerStack,
    "deltanet": MixerStack,
    "gated_deltanet": MixerStack,
    "mamba": Mamba,
    "mamba2": Mamba2,
    "rwkv4": RWKV4,
    "rwkv7": RWKV7,
    "lstm": LSTM,
    "mlp": MLP,
    "hybrid": MixerStack,
}
"""(settings, vocab_size=, length=) → network, by kind."""


def build_model(settings: ModelSettings, *, vocab_size: int, length: int) -> Network:
    """The network, without values: call its `reset(generator)` or load a state dict."""
    make: Any = NETWORKS[settings.kind]
    return make(settings, vocab_size=vocab_size, length=length)
