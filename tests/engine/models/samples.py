"""Small networks of every kind and variant, and examples for them."""

from typing import Any

import torch
from torch import Tensor, nn

from engine.models.build import build_model
from tests.engine.models.gpt import variants as gpt
from tests.engine.models.mixers import variants as mixers

SETTINGS: dict[str, Any] = {**gpt.SETTINGS, **mixers.SETTINGS}
"""Each kind lists its variants in its own folder; all of them are put through the contract."""

V, T = 11, 5
READS = [(4,), (1, 3), (0, 1, 2, 3, 4)]


def network(settings: Any, *, seed: int = 0) -> Any:
    """A network in float64, with values in every parameter."""
    model = build_model(settings, vocab_size=V, length=T)
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
