"""How one optimiser update changes the weights of several runs at once, each at its own settings.

Shapes: ``R`` runs, ``P`` parameters of a run in one flat row. Every number of an optimiser is a
column ``[R, 1]``, so that runs with different rates, decays and betas share one program. All
updates work in place, on rows that the caller slices; none looks at another row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.optim import AdamSettings, AdamWSettings, OptimizerSettings, SGDSettings
from engine.optim.schedule import rate_at

Columns = Mapping[str, Tensor]
"""Numbers of one update: name → column [R, 1]."""

Slots = Mapping[str, Tensor]
"""What an optimiser remembers: name → rows [R, P]."""


@dataclass(frozen=True, slots=True)
class Updates:
    """An optimiser: what it remembers, its numbers at an update, and the update in place."""

    slots: tuple[str, ...]
    numbers: Callable[[OptimizerSettings, float, int], dict[str, float]]
    """(settings, learning rate, update counted from 1 since the slots were zero) → numbers."""
    apply: Callable[[Tensor, Tensor, Slots, Columns, Tensor], None]
    """(weights, gradient, slots, columns, scratch), all [R, P] but the columns."""


def adamw_update(
    weights: Float[Tensor, "R P"],
    gradient: Float[Tensor, "R P"],
    slots: Slots,
    columns: Columns,
    scratch: Float[Tensor, "R P"],
) -> None:
    """Decay the weights, then take an Adam step. Source: Loshchilov & Hutter 2019, algorithm 2."""
    weights.mul_(columns["keep"])
    _adam_step(weights, gradient, slots, columns, scratch)


def adam_update(
    weights: Float[Tensor, "R P"],
    gradient: Float[Tensor, "R P"],
    slots: Slots,
    columns: Columns,
    scratch: Float[Tensor, "R P"],
) -> None:
    """Add the L2 penalty to the gradient, then take an Adam step. Source: Kingma & Ba 2015."""
    _add_decay(weights, gradient, columns, scratch)
    _adam_step(weights, gradient, slots, columns, scratch)


def sgd_update(
    weights: Float[Tensor, "R P"],
    gradient: Float[Tensor, "R P"],
    slots: Slots,
    columns: Columns,
    scratch: Float[Tensor, "R P"],
) -> None:
    """Take a momentum step, as torch defines it. Source: Sutskever et al. 2013, section 2."""
    _add_decay(weights, gradient, columns, scratch)
    velocity = slots["velocity"]
    velocity.mul_(columns["momentum"]).add_(gradient)
    # nesterov = 1 looks ahead: gradient + momentum · velocity; 0 steps along the velocity.
    torch.mul(velocity, columns["along_velocity"], out=scratch)
    gradient.mul_(columns["along_gradient"]).add_(scratch).mul_(columns["rate"])
    weights.sub_(gradient)


def clip_rows(
    gradient: Float[Tensor, "R P"],
    norms: Float[Tensor, "R 1"],
    limits: Float[Tensor, "R 1"],
) -> None:
    """Shrink each row whose norm exceeds its limit, in place; an infinite limit leaves it alone.

    Source: Pascanu et al. 2013, algorithm 1; the 1e-6 is torch's.
    """
    gradient.mul_((limits / (norms + 1e-6)).clamp(max=1.0))


def columns_of_block(
    settings: Sequence[OptimizerSettings],
    updates_done: Sequence[int],
    *,
    first_step: int,
    n_steps: int,
    steps: int,
    device: torch.device,
) -> list[Columns]:
    """Return the columns of `n_steps` updates from `first_step` on, in a budget of `steps`.

    `updates_done` counts, by run, the updates that its slots have seen; it differs from the step
    in a run that was forked to another optimiser.
    """
    kind = UPDATES[settings[0].kind]
    rows = [
        [
            kind.numbers(each, rate_at(each, first_step + i, steps=steps), done + i + 1)
            for each, done in zip(settings, updates_done, strict=True)
        ]
        for i in range(n_steps)
    ]
    names = list(rows[0][0])
    # float64 on the host, rounded once: the same numbers that torch.optim's scalars become
    table = torch.tensor([[[run[name] for run in row] for name in names] for row in rows])
    table = table.to(device, torch.float32)[..., None]
    return [dict(zip(names, step.unbind(), strict=True)) for step in table.unbind()]


def _add_decay(weights: Tensor, gradient: Tensor, columns: Columns, scratch: Tensor) -> None:
    torch.mul(weights, columns["decay"], out=scratch)
    gradient.add_(scratch)


def _adam_step(
    weights: Tensor, gradient: Tensor, slots: Slots, columns: Columns, scratch: Tensor
) -> None:
    mean, square = slots["mean"], slots["square"]
    mean.lerp_(gradient, columns["mean_gain"])
    torch.mul(gradient, gradient, out=scratch)
    square.lerp_(scratch, columns["square_gain"])
    torch.sqrt(square, out=scratch)
    scratch.div_(columns["root_correction"]).add_(columns["eps"])
    torch.div(mean, scratch, out=scratch)
    weights.sub_(scratch.mul_(columns["mean_rate"]))


def _adam_numbers(settings: OptimizerSettings, rate: float, update: int) -> dict[str, float]:
    assert isinstance(settings, AdamWSettings | AdamSettings)
    beta1, beta2 = settings.betas
    return {
        "keep": 1 - rate * settings.weight_decay,
        "decay": settings.weight_decay,
        "mean_gain": 1 - beta1,
        "square_gain": 1 - beta2,
        "mean_rate": rate / (1 - beta1**update),
        "root_correction": (1 - beta2**update) ** 0.5,
        "eps": settings.eps,
    }


def _sgd_numbers(settings: OptimizerSettings, rate: float, update: int) -> dict[str, float]:
    assert isinstance(settings, SGDSettings)
    del update  # the velocity starts at zero, which equals torch's first step
    ahead = settings.nesterov
    return {
        "decay": settings.weight_decay,
        "momentum": settings.momentum,
        "along_velocity": settings.momentum if ahead else 1.0,
        "along_gradient": 1.0 if ahead else 0.0,
        "rate": rate,
    }


UPDATES: Mapping[str, Updates] = {
    "adamw": Updates(("mean", "square"), _adam_numbers, adamw_update),
    "adam": Updates(("mean", "square"), _adam_numbers, adam_update),
    "sgd": Updates(("velocity",), _sgd_numbers, sgd_update),
}
