"""Every optimiser against torch.optim, step by step, on several runs with their own settings."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from engine.optim import AdamSettings, AdamWSettings, OptimizerSettings, SGDSettings
from engine.optim.updates import UPDATES, clip_rows, columns_of_block

STEPS = 80
P = 33
CPU = torch.device("cpu")

ADAMW: Sequence[OptimizerSettings] = (
    AdamWSettings(learning_rate=1e-3, weight_decay=1.0, betas=(0.9, 0.98), warmup_steps=0),
    AdamWSettings(learning_rate=3e-2, weight_decay=0.0, betas=(0.8, 0.999), warmup_steps=0),
    AdamWSettings(
        learning_rate=1e-2, weight_decay=5.0, betas=(0.0, 0.9), eps=1e-3, warmup_steps=0
    ),
)
ADAM: Sequence[OptimizerSettings] = (
    AdamSettings(learning_rate=1e-3, weight_decay=0.1, warmup_steps=0),
    AdamSettings(learning_rate=2e-2, weight_decay=0.0, betas=(0.5, 0.99), warmup_steps=0),
)
SGD: Sequence[OptimizerSettings] = (
    SGDSettings(learning_rate=1e-2, weight_decay=0.1, momentum=0.9, warmup_steps=0),
    SGDSettings(learning_rate=1e-1, weight_decay=0.0, momentum=0.0, warmup_steps=0),
    SGDSettings(learning_rate=3e-2, momentum=0.8, nesterov=True, warmup_steps=0),
)


def torch_optimizer(parameter: Tensor, settings: OptimizerSettings) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    if isinstance(settings, SGDSettings):
        return torch.optim.SGD(
            [parameter],
            lr=rate,
            weight_decay=decay,
            momentum=settings.momentum,
            nesterov=settings.nesterov,
        )
    build: Callable[..., torch.optim.Optimizer] = (
        torch.optim.AdamW if isinstance(settings, AdamWSettings) else torch.optim.Adam
    )
    return build([parameter], lr=rate, weight_decay=decay, betas=settings.betas, eps=settings.eps)


def gradient_at(weights: Tensor, step: int) -> Tensor:
    """A gradient that depends on the weights, and differs from step to step."""
    noise = torch.randn(weights.shape[-1], generator=torch.Generator().manual_seed(step))
    return weights - noise


@pytest.mark.parametrize("settings", [ADAMW, ADAM, SGD], ids=["adamw", "adam", "sgd"])
def test_runs_with_their_own_settings_follow_torch_step_by_step(
    settings: Sequence[OptimizerSettings],
) -> None:
    runs = len(settings)
    weights = torch.randn(runs, P, generator=torch.Generator().manual_seed(0))
    parameters = [torch.nn.Parameter(row.clone()) for row in weights]
    optimizers = [torch_optimizer(p, s) for p, s in zip(parameters, settings, strict=True)]
    kind = UPDATES[settings[0].kind]
    slots = {name: torch.zeros_like(weights) for name in kind.slots}
    block = columns_of_block(
        settings,
        [0] * runs,
        first_step=1,
        n_steps=STEPS,
        steps=STEPS,
        device=CPU,
    )
    for step, columns in enumerate(block):
        gradient = gradient_at(weights, step)
        kind.apply(weights, gradient, slots, columns, torch.empty_like(weights))
        for parameter, optimizer in zip(parameters, optimizers, strict=True):
            parameter.grad = gradient_at(parameter.detach(), step)
            optimizer.step()
        expected = torch.stack([p.detach() for p in parameters])
        torch.testing.assert_close(weights, expected, rtol=2e-5, atol=2e-6)


def test_coupled_and_decoupled_decay_are_different_experiments() -> None:
    ends = []
    for settings in (AdamWSettings(weight_decay=1.0), AdamSettings(weight_decay=1.0)):
        weights = torch.ones(1, P)
        kind = UPDATES[settings.kind]
        slots = {name: torch.zeros_like(weights) for name in kind.slots}
        for columns in columns_of_block(
            [settings], [0], first_step=1, n_steps=STEPS, steps=STEPS, device=CPU
        ):
            kind.apply(weights, gradient_at(weights, 0), slots, columns, torch.empty(1, P))
        ends.append(weights)
    assert not torch.allclose(ends[0], ends[1], atol=1e-3)


def test_clipping_shrinks_each_run_by_its_own_norm_as_torch_does() -> None:
    gradient = torch.randn(3, P, generator=torch.Generator().manual_seed(1))
    gradient *= torch.tensor([[0.01], [1.0], [100.0]])
    expected = []
    for row, limit in zip(gradient, (1.0, 0.5, 2.0), strict=True):
        parameters = [torch.nn.Parameter(torch.zeros(part)) for part in (10, P - 10)]
        for parameter, part in zip(parameters, row.split((10, P - 10)), strict=True):
            parameter.grad = part.clone()
        torch.nn.utils.clip_grad_norm_(parameters, limit)
        expected.append(torch.cat([p.grad for p in parameters if p.grad is not None]))
    norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
    clip_rows(gradient, norms, torch.tensor([[1.0], [0.5], [2.0]]))
    torch.testing.assert_close(gradient, torch.stack(expected))


def test_an_infinite_limit_leaves_the_gradient_bit_for_bit_alone() -> None:
    gradient = torch.randn(1, P, generator=torch.Generator().manual_seed(2))
    before = gradient.clone()
    clip_rows(gradient, gradient.norm(dim=1, keepdim=True), torch.tensor([[torch.inf]]))
    assert torch.equal(gradient, before)
