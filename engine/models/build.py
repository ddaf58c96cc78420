"""How settings become a network."""

from collections.abc import Callable, Mapping
from typing import Any

from engine.models import ModelSettings
from engine.models.gpt.network import GPT
from engine.models.mixers.network import MixerStack
from engine.models.network import Network

NETWORKS: Mapping[str, Callable[..., Network]] = {
    "gpt": GPT,
    "linear_attention": MixerStack,
    "retnet": MixerStack,
    "gla": MixerStack,
    "deltanet": MixerStack,
    "gated_deltanet": MixerStack,
    "hybrid": MixerStack,
}
"""(settings, vocab_size=, length=) → network, by kind."""


def build_model(settings: ModelSettings, *, vocab_size: int, length: int) -> Network:
    """The network, without values: call its `reset(generator)` or load a state dict."""
    make: Any = NETWORKS[settings.kind]
    return make(settings, vocab_size=vocab_size, length=length)
