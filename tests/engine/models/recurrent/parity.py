"""How a network is compared with the library that its state dict is named after."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from engine.models.build import build_model
from tests.engine.models.agreement import gradient_agrees, logits_agree


def perturb(model: nn.Module, *, scale: float = 0.05) -> None:
    """Noise on every parameter, so that gains, biases and starts at zero count."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=generator)


def rows(n_examples: int, length: int, vocab_size: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(vocab_size, (n_examples, length), generator=generator)


def stored_once(model: nn.Module) -> dict[str, Tensor]:
    """Weights by name, those that are tied under their first name alone."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def ours(settings: Any, state: Mapping[str, Tensor], *, vocab_size: int, length: int) -> Any:
    """Our network with the weights of the other, every name used."""
    model = build_model(settings, vocab_size=vocab_size, length=length)
    model.load_state_dict(state, strict=True)
    return model


def compare(model: Any, expected: Tensor, reference: nn.Module, tokens: Tensor) -> None:
    """Logits agree, and the gradient of every parameter does."""
    found = model(tokens, tuple(range(tokens.shape[1])))
    kind: str = model.settings.kind
    logits_agree(kind, found, expected)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    theirs = dict(reference.named_parameters())
    for name, parameter in model.named_parameters():
        gradient_agrees(kind, name, parameter.grad, theirs[name].grad)


def counted_flops(settings: Any, *, vocab_size: int, length: int, read: tuple[int, ...]) -> int:
    """What one more example adds to the matrix products of forward and backward."""
    model = build_model(settings, vocab_size=vocab_size, length=length)
    model.reset(torch.Generator().manual_seed(0))
    totals = list[int]()
    for n_examples in (100, 101):
        with FlopCounterMode(display=False) as counter:
            model(rows(n_examples, length, vocab_size), read).sum().backward()
        totals.append(counter.get_total_flops())
    return totals[1] - totals[0]
