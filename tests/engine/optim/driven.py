"""Drives our updates and a reference side by side, on several runs of a small network."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from engine.optim import OptimizerSettings
from engine.trainer.rows import Layout
from engine.trainer.state import unpack
from engine.trainer.weights import Weights

CPU = torch.device("cpu")

LAYOUT = Layout(
    ("wte.weight", "h.0.fc.weight", "h.0.fc.bias", "h.0.proj.weight", "h.1.fc.weight", "gain"),
    ((7, 6), (6, 9), (9,), (9, 6), (6, 9), (1,)),
    frozenset({"wte.weight"}),
    frozenset({"h.1.fc.weight"}),
)
"""A table, three matrices of two shapes, one of them stored (in, out), a vector and a number."""

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


def ours(
    settings: Sequence[OptimizerSettings], steps: int, *, shown: bool = False
) -> list[Tensor]:
    """Weights [R, P] of all runs after each step, updated in one group as on an accelerator.

    `shown` takes the weights that are measured.
    """
    runs = [
        unpack(LAYOUT, {f"model.{name}": view for name, view in named(row).items()}, each)
        for row, each in zip(initial(len(settings)), settings, strict=True)
    ]
    one = [slice(0, len(runs))]
    weights = Weights(LAYOUT, runs, settings, CPU, noise_seeds=range(len(runs)), together=one)
    found: list[Tensor] = []
    for step, columns in enumerate(weights.columns(steps, first_step=1, steps=steps)):
        now = [weights.run(run) for run in range(len(runs))]
        weights.gradient.copy_(gradient_at(torch.cat([run.weights for run in now]), step))
        weights.update(columns, step=step + 1)
        now = [weights.run(run) for run in range(len(runs))]
        rows = [run.slots["average"] if shown else run.weights for run in now]
        found.append(torch.cat(rows).clone())
    return found


def nothing(_: Parameters) -> None:
    """Do nothing around an update."""


def reference(
    build: Callable[[Parameters], Sequence[torch.optim.Optimizer]],
    run: int,
    runs: int,
    steps: int,
    *,
    before: Callable[[Parameters], None] = nothing,
    after: Callable[[Parameters], None] = nothing,
) -> list[Tensor]:
    """Weights [P] of one run after each step of the packaged optimisers that `build` makes.

    `before` sees the parameters with their gradients, `after` the parameters that were updated.
    """
    parameters = {
        name: torch.nn.Parameter(view.clone()) for name, view in named(initial(runs)[run]).items()
    }
    optimizers = build(parameters)
    found: list[Tensor] = []
    for step in range(steps):
        for name, gradient in named(gradient_at(flat(parameters), step)).items():
            parameters[name].grad = gradient.clone()
        before(parameters)
        for optimizer in optimizers:
            optimizer.step()
        with torch.no_grad():
            after(parameters)
        found.append(flat(parameters))
    return found
