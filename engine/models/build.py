"""How settings become a network."""

from torch import nn

from engine.models import ModelSettings
from engine.models.gpt.network import GPT

NETWORKS = {"gpt": GPT}


def build_model(settings: ModelSettings, *, vocab_size: int, length: int) -> nn.Module:
    """The network, without values: call its `reset(generator)` or load a state dict.

    Every network has `forward(tokens, read)`, `attention(tokens)`, `reset(generator)`,
    `matmul_dtype` and `savings` as `engine.models.gpt.network.GPT` describes them.
    """
    return NETWORKS[settings.kind](settings, vocab_size=vocab_size, length=length)
