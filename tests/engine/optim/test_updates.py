"""Every optimiser against its packaged reference, step by step, on runs that differ."""

from collections.abc import Callable, Sequence

import lion_pytorch
import pytest
import torch

from engine.optim import (
    AdamSettings,
    AdamWSettings,
    LionSettings,
    OptimizerSettings,
    SGDSettings,
)
from engine.optim.updates import UPDATES
from engine.optim.wrappers import clip_rows
from tests.engine.optim.driven import LAYOUT, Parameters, ours, reference

STEPS = 80
P = 33

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
LION: Sequence[OptimizerSettings] = (
    LionSettings(learning_rate=1e-3, weight_decay=3.0, warmup_steps=0),
    LionSettings(learning_rate=1e-2, weight_decay=0.0, betas=(0.8, 0.95), warmup_steps=0),
    LionSettings(learning_rate=3e-3, weight_decay=10.0, betas=(0.95, 0.98), warmup_steps=0),
)


def packaged(settings: OptimizerSettings) -> Callable[[Parameters], list[torch.optim.Optimizer]]:
    common = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}

    def build(parameters: Parameters) -> list[torch.optim.Optimizer]:
        each = list(parameters.values())
        match settings:
            case SGDSettings(momentum=momentum, nesterov=nesterov):
                return [torch.optim.SGD(each, momentum=momentum, nesterov=nesterov, **common)]
            case LionSettings(betas=betas):
                return [lion_pytorch.Lion(each, betas=betas, **common)]
            case AdamWSettings(betas=betas, eps=eps):
                return [torch.optim.AdamW(each, betas=betas, eps=eps, **common)]
            case AdamSettings(betas=betas, eps=eps):
                return [torch.optim.Adam(each, betas=betas, eps=eps, **common)]
            case _:
                raise AssertionError(settings.kind)

    return build


@pytest.mark.parametrize(
    "settings", [ADAMW, ADAM, SGD, LION], ids=["adamw", "adam", "sgd", "lion"]
)
def test_runs_with_their_own_settings_follow_the_reference_step_by_step(
    settings: Sequence[OptimizerSettings],
) -> None:
    found = torch.stack(ours(settings, STEPS))
    for run, each in enumerate(settings):
        expected = torch.stack(reference(packaged(each), run, len(settings), STEPS))
        torch.testing.assert_close(found[:, run], expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("kind", UPDATES)
def test_a_run_moves_alone_as_it_moves_among_others(
    kind: str, several: Callable[[str], Sequence[OptimizerSettings]]
) -> None:
    settings = several(kind)
    torch.testing.assert_close(
        ours(settings, 5)[-1][:1], ours(settings[:1], 5)[-1], rtol=1e-6, atol=1e-7
    )


def test_coupled_and_decoupled_decay_are_different_experiments() -> None:
    decoupled = ours([AdamWSettings(weight_decay=1.0)], STEPS)[-1]
    coupled = ours([AdamSettings(weight_decay=1.0)], STEPS)[-1]
    assert not torch.allclose(decoupled, coupled, atol=1e-3)


def test_the_padding_of_a_row_stays_zero() -> None:
    for settings in (ADAMW, ADAM, SGD, LION):
        assert not ours(settings, 3)[-1][:, LAYOUT.n_parameters :].any()


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
