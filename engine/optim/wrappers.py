"""What may be done around any optimiser's update, each run at its own numbers.

An update goes: gradient → Grokfast → ⊥Grad → clipping → noise → the optimiser, whose weight decay
spares some parameters → norm constraint → average of the weights.

Shapes: ``R`` runs, ``P`` numbers in a row, ``W`` gradients in a window.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from engine.optim import OptimizerSettings
from engine.optim.rows import Rows

TINY = 1e-30
"""Keeps ⊥Grad from dividing by zero."""


def filter_slot(settings: OptimizerSettings) -> tuple[str, tuple[int, ...]] | None:
    """What Grokfast remembers of a run: a name, and how many rows (none: a single one)."""
    if settings.grokfast == "ema":
        return "slow", ()
    if settings.grokfast == "ma":
        return "window", (settings.grokfast_window,)
    return None


def wrapper_numbers(settings: OptimizerSettings, filtered: int) -> dict[str, float]:
    """Numbers of the update that is Grokfast's `filtered`-th, counted from 1."""
    numbers: dict[str, float] = {}
    if settings.grokfast == "ema":
        # as released, the average starts at the first gradient
        numbers["slow_gain"] = 1 - settings.grokfast_alpha if filtered > 1 else 1.0
        numbers["slow_lamb"] = settings.grokfast_lamb
    if settings.grokfast == "ma":
        full = filtered >= settings.grokfast_window
        numbers["slow_place"] = float((filtered - 1) % settings.grokfast_window)
        numbers["slow_lamb"] = settings.grokfast_lamb if full else 0.0
    if settings.ema_decay:
        numbers["average_gain"] = 1 - settings.ema_decay
    return numbers


def prepare(rows: Rows) -> None:
    """Change the gradient before the optimiser sees it: Grokfast, ⊥Grad, clipping."""
    if "slow" in rows.slots:
        _amplify_average(rows)
    if "window" in rows.slots:
        _amplify_window(rows)
    if rows.settings.orthogonal_gradient:
        make_orthogonal(rows.weights, rows.gradient, rows.parts.views)
    if "clip_limit" in rows.columns:
        norms = torch.linalg.vector_norm(rows.gradient, dim=1, keepdim=True)
        clip_rows(rows.gradient, norms, rows.columns["clip_limit"])


def finish(rows: Rows) -> None:
    """Change the weights after the optimiser has: norm constraint, average."""
    if "norm_target" in rows.columns:
        norms = torch.linalg.vector_norm(rows.weights, dim=1, keepdim=True)
        targets = rows.columns["norm_target"]
        rows.weights.mul_(torch.where(targets > 0, targets / norms, 1.0))
    if "average" in rows.slots:
        rows.slots["average"].lerp_(rows.weights, rows.columns["average_gain"])


def make_orthogonal(
    weights: Float[Tensor, "R P"],
    gradient: Float[Tensor, "R P"],
    views: Callable[[Tensor], dict[str, Tensor]],
) -> None:
    """Take from each parameter's gradient what is along the parameter, and restore its norm.

    The paper only projects; its released code, which gave the published curves, restores the norm
    too. A gradient that lies along its parameter, as that of a single number does, becomes 0.
    Source: Prieto et al. 2025, section 5.
    """
    within = 4 * torch.finfo(gradient.dtype).eps
    for of_weights, of_gradient in zip(
        views(weights).values(), views(gradient).values(), strict=True
    ):
        w, g = (view.reshape(len(view), -1) for view in (of_weights, of_gradient))
        along = (w * g).sum(1, keepdim=True) / ((w * w).sum(1, keepdim=True) + TINY)
        across = g - along * w
        norm = torch.linalg.vector_norm(g, dim=1, keepdim=True)
        left = torch.linalg.vector_norm(across, dim=1, keepdim=True)
        g.copy_(across * torch.where(left <= within * norm, 0.0, norm / (left + TINY)))


def clip_rows(
    gradient: Float[Tensor, "R P"],
    norms: Float[Tensor, "R 1"],
    limits: Float[Tensor, "R 1"],
) -> None:
    """Shrink each row whose norm exceeds its limit, in place; an infinite limit leaves it alone.

    Source: Pascanu et al. 2013, algorithm 1; the 1e-6 is torch's.
    """
    gradient.mul_((limits / (norms + 1e-6)).clamp(max=1.0))


def _amplify_average(rows: Rows) -> None:
    """Add λ times an exponential average. Source: Lee et al. 2024, algorithm 2 (Grokfast-EMA)."""
    slow = rows.slots["slow"]
    slow.lerp_(rows.gradient, rows.columns["slow_gain"])
    _add_slow(rows, slow)


def _amplify_window(rows: Rows) -> None:
    """Add λ times a window's mean, once it is full. Source: Lee et al. 2024, algorithm 1."""
    window = rows.slots["window"]
    place = rows.columns["slow_place"].long()[..., None].expand(-1, 1, window.shape[2])
    window.scatter_(1, place, rows.gradient[:, None])
    _add_slow(rows, window.mean(1))


def _add_slow(rows: Rows, slow: Tensor) -> None:
    torch.mul(slow, rows.columns["slow_lamb"], out=rows.scratch)
    rows.gradient.add_(rows.scratch)
