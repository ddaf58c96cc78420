"""How one optimiser update changes the weights of several runs at once, each at its own settings.

Shapes: ``R`` runs, ``P`` parameters of a run in one flat row. Every number of an optimiser is a
column ``[R, 1]``, so that runs with different rates, decays and betas share one program. All
updates work in place, on rows that the caller slices; none looks at another row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.kernels.adam import adam_step
from engine.kernels.compiled import available
from engine.optim import (
    AdamSettings,
    AdamWSettings,
    LionSettings,
    MuonSettings,
    OptimizerSettings,
    SGDSettings,
)
from engine.optim.muon import muon_update
from engine.optim.rows import Columns, Rows
from engine.optim.schedule import rate_at
from engine.optim.wrappers import wrapper_numbers


@dataclass(frozen=True, slots=True)
class Updates:
    """An optimiser: what it remembers, its numbers at an update, and the update in place."""

    slots: tuple[str, ...]
    numbers: Callable[[OptimizerSettings, float, int], dict[str, float]]
    """(settings, learning rate, update counted from 1 since the slots were zero) → numbers."""
    apply: Callable[[Rows], None]
    by_loop: bool = False
    """Whether there is a loop for the CPU, which takes each row by itself."""

    def loops(self, device: torch.device) -> bool:
        """Whether rows on this device are taken by that loop."""
        return self.by_loop and _may_loop(device)


def adamw_update(rows: Rows) -> None:
    """Decay the weights, then take an Adam step. Source: Loshchilov & Hutter 2019, algorithm 2."""
    if _may_loop(rows.weights.device):
        _adam_step_by_loop(rows, keep=rows.columns["keep"], decayed=rows.decayed)
    else:
        rows.weights.mul_(rows.of_decay("keep", neutral=1.0))
        adam_step_by_torch(rows)


def adam_update(rows: Rows) -> None:
    """Add the L2 penalty to the gradient, then take an Adam step. Source: Kingma & Ba 2015."""
    _add_decay(rows)
    if _may_loop(rows.weights.device):
        _adam_step_by_loop(rows)
    else:
        adam_step_by_torch(rows)


def sgd_update(rows: Rows) -> None:
    """Take a momentum step, as torch defines it. Source: Sutskever et al. 2013, section 2."""
    _add_decay(rows)
    gradient, columns, velocity = rows.gradient, rows.columns, rows.slots["velocity"]
    velocity.mul_(columns["momentum"]).add_(gradient)
    # nesterov = 1 looks ahead: gradient + momentum · velocity; 0 steps along the velocity.
    torch.mul(velocity, columns["along_velocity"], out=rows.scratch)
    gradient.mul_(columns["along_gradient"]).add_(rows.scratch).mul_(columns["rate"])
    rows.weights.sub_(gradient)


def lion_update(rows: Rows) -> None:
    """Decay the weights, then step along a sign. Source: Chen et al. 2023, program 1."""
    columns, trend = rows.columns, rows.slots["trend"]
    rows.weights.mul_(rows.of_decay("keep", neutral=1.0))
    torch.lerp(trend, rows.gradient, columns["sign_gain"], out=rows.scratch)
    rows.weights.sub_(rows.scratch.sign_().mul_(columns["rate"]))
    trend.lerp_(rows.gradient, columns["trend_gain"])


def columns_of_block(
    settings: Sequence[OptimizerSettings],
    updates_done: Sequence[int],
    filtered: Sequence[int],
    *,
    first_step: int,
    n_steps: int,
    steps: int,
    device: torch.device,
) -> list[Columns]:
    """Return the columns of `n_steps` updates from `first_step` on, in a budget of `steps`.

    `updates_done` counts, by run, the updates that its slots have seen, and `filtered` those that
    Grokfast has; they differ from the step in a run that was forked to other ways.
    """
    kind = UPDATES[settings[0].kind]
    rows = [
        [
            kind.numbers(each, rate_at(each, first_step + i, steps=steps), done + i + 1)
            | wrapper_numbers(each, seen + i + 1)
            for each, done, seen in zip(settings, updates_done, filtered, strict=True)
        ]
        for i in range(n_steps)
    ]
    names = list(rows[0][0])
    # float64 on the host, rounded once: the same numbers that torch.optim's scalars become
    table = torch.tensor([[[run[name] for run in row] for name in names] for row in rows])
    table = table.to(device, torch.float32)[..., None]
    return [dict(zip(names, step.unbind(), strict=True)) for step in table.unbind()]


def _add_decay(rows: Rows) -> None:
    torch.mul(rows.weights, rows.of_decay("decay", neutral=0.0), out=rows.scratch)
    rows.gradient.add_(rows.scratch)


_ADAM = ("mean_gain", "square_gain", "mean_rate", "root_correction", "eps")


def _may_loop(device: torch.device) -> bool:
    return device.type == "cpu" and available()


def _adam_step_by_loop(
    rows: Rows, *, keep: Tensor | None = None, decayed: Tensor | None = None
) -> None:
    arrays = rows.weights, rows.gradient, rows.slots["mean"], rows.slots["square"]
    numbers = {name: rows.columns[name] for name in _ADAM}
    adam_step(*arrays, **numbers, keep=keep, decayed=decayed)


def adam_step_by_torch(rows: Rows) -> None:
    """Adam's step as a chain of torch operations: elsewhere than on the CPU."""
    gradient, columns, scratch = rows.gradient, rows.columns, rows.scratch
    mean, square = rows.slots["mean"], rows.slots["square"]
    mean.lerp_(gradient, columns["mean_gain"])
    torch.mul(gradient, gradient, out=scratch)
    square.lerp_(scratch, columns["square_gain"])
    torch.sqrt(square, out=scratch)
    scratch.div_(columns["root_correction"]).add_(columns["eps"])
    torch.div(mean, scratch, out=scratch)
    rows.weights.sub_(scratch.mul_(columns["mean_rate"]))


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


def _lion_numbers(settings: OptimizerSettings, rate: float, update: int) -> dict[str, float]:
    assert isinstance(settings, LionSettings)
    del update  # nothing is corrected for its start
    beta1, beta2 = settings.betas
    return {
        "keep": 1 - rate * settings.weight_decay,
        "sign_gain": 1 - beta1,
        "trend_gain": 1 - beta2,
        "rate": rate,
    }


def _muon_numbers(settings: OptimizerSettings, rate: float, update: int) -> dict[str, float]:
    assert isinstance(settings, MuonSettings)
    beta1, beta2 = settings.betas
    rest = rate / settings.learning_rate * settings.rest_rate
    return {
        "keep": 1 - rate * settings.weight_decay,
        "rest_keep": 1 - rest * settings.rest_decay,
        "rate": rate,
        "match_rms": float(settings.scale == "match_rms_adamw"),
        "momentum_gain": 1 - settings.momentum,
        "ahead": settings.momentum if settings.nesterov else 1.0,
        "mean_gain": 1 - beta1,
        "square_gain": 1 - beta2,
        "mean_rate": rest / (1 - beta1**update),
        "root_correction": (1 - beta2**update) ** 0.5,
        "eps": settings.eps,
    }


UPDATES: Mapping[str, Updates] = {
    "adamw": Updates(("mean", "square"), _adam_numbers, adamw_update, by_loop=True),
    "adam": Updates(("mean", "square"), _adam_numbers, adam_update, by_loop=True),
    "sgd": Updates(("velocity",), _sgd_numbers, sgd_update),
    "lion": Updates(("trend",), _lion_numbers, lion_update),
    "muon": Updates(("muon_mean", "muon_square"), _muon_numbers, muon_update),
}
"""By kind. Slots of one name are of use to each other's kinds (see `engine.trainer.state`)."""
