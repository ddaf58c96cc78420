"""Small networks of every kind and variant, and examples for them."""

from typing import Any

import torch
from torch import Tensor, nn

from engine.models.build import build_model
from tests.engine.models.gpt import variants as gpt
from tests.engine.models.llama import variants as llama
from tests.engine.models.lstm import variants as lstm
from tests.engine.models.mamba import variants as mamba
from tests.engine.models.mamba2 import variants as mamba2
from tests.engine.models.memory import variants as memory
from tests.engine.models.mixers import variants as mixers
from tests.engine.models.mlp import variants as mlp
from tests.engine.models.rwkv4 import variants as rwkv4
from tests.engine.models.rwkv7 import variants as rwkv7
from tests.engine.models.trm import variants as trm
from tests.engine.models.universal import variants as universal

SETTINGS: dict[str, Any] = {
    **gpt.SETTINGS,
    **mamba.SETTINGS,
    **mamba2.SETTINGS,
    **rwkv4.SETTINGS,
    **llama.SETTINGS,
    **lstm.SETTINGS,
    **mlp.SETTINGS,
    **rwkv7.SETTINGS,
    **universal.SETTINGS,
    **memory.SETTINGS,
    **trm.SETTINGS,
    **mixers.SETTINGS,
}
"""Each kind lists its variants in its own folder; all of them are put through the contract."""

V, T = 11, 5
READS = [(4,), (1, 3), (0, 1, 2, 3, 4)]


def network(settings: Any, *, seed: int = 0, length: int = T) -> Any:
    """A network in float64, with values in every parameter."""
    model = build_model(settings, vocab_size=V, length=length)
    generator = torch.Generator().manual_seed(seed)
    model.reset(generator)  # pyright: ignore[reportCallIssue]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    model = model.double()
    model.matmul_dtype = torch.float64
    return model


def examples(n_examples: int) -> Tensor:
    return torch.randint(V, (n_examples, T), generator=torch.Generator().manual_seed(1))


def gradients(model: nn.Module, tokens: Tensor, read: tuple[int, ...]) -> dict[str, Tensor]:
    """Gradients of a loss that weighs every logit differently."""
    logits = model(tokens, read)
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2)).to(logits)
    loss = (logits.tanh() * weights).sum()
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))
