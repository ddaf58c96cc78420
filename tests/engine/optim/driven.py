"""Drives our updates and a reference side by side, on several runs of a small network."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from engine.optim import OptimizerSettings
from engine.optim.rows import Rows
from engine.optim.updates import UPDATES, columns_of_block
from engine.trainer.rows import Layout

CPU = torch.device("cpu")

LAYOUT = Layout(
    ("wte.weight", "h.0.fc.weight", "h.0.fc.bias", "h.0.proj.weight", "h.1.fc.weight", "gain"),
    ((7, 6), (6, 9), (9,), (9, 6), (6, 9), (1,)),
)
"""A table, three matrices of two shapes, a vector and a single number."""

Parameters = dict[str, torch.nn.Parameter]


def initial(runs: int) -> Tensor:
    """Rows [R, P] of different weights; the padding is zero."""
    return torch.stack(
        [-gradient_at(torch.zeros(LAYOUT.width), 1000 + run) for run in range(runs)]
    )


def gradient_at(weights: Tensor, step: int) -> Tensor:
    """A gradient of one run's flat weights: it depends on them, and differs by step."""
    noise = torch.randn(LAYOUT.width, generator=torch.Generator().manual_seed(step))
    noise[LAYOUT.n_parameters :] = 0
    return weights - noise


def named(row: Tensor) -> Mapping[str, Tensor]:
    """One run's parameters by name."""
    return {name: view[0] for name, view in LAYOUT.views(row[None]).items()}


def flat(parameters: Mapping[str, Tensor]) -> Tensor:
    """The row of one run's parameters."""
    return LAYOUT.row({name: each.detach() for name, each in parameters.items()})[0]


def ours(settings: Sequence[OptimizerSettings], steps: int) -> list[Tensor]:
    """Weights [R, P] of all runs, updated together, after each step."""
    weights = initial(len(settings))
    kind = UPDATES[settings[0].kind]
    slots = {name: torch.zeros_like(weights) for name in kind.slots}
    block = columns_of_block(
        settings, [0] * len(settings), first_step=1, n_steps=steps, steps=steps, device=CPU
    )
    found: list[Tensor] = []
    for step, columns in enumerate(block):
        kind.apply(
            Rows(
                weights=weights,
                gradient=gradient_at(weights, step),
                slots=slots,
                columns=columns,
                scratch=torch.empty_like(weights),
                parts=LAYOUT.parts(CPU),
                settings=settings[0],
            )
        )
        found.append(weights.clone())
    return found


def reference(
    build: Callable[[Parameters], Sequence[torch.optim.Optimizer]], run: int, runs: int, steps: int
) -> list[Tensor]:
    """Weights [P] of one run after each step of the packaged optimisers that `build` makes."""
    parameters = {
        name: torch.nn.Parameter(view.clone()) for name, view in named(initial(runs)[run]).items()
    }
    optimizers = build(parameters)
    found: list[Tensor] = []
    for step in range(steps):
        for name, gradient in named(gradient_at(flat(parameters), step)).items():
            parameters[name].grad = gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
        found.append(flat(parameters))
    return found
