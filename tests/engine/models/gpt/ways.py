"""Ways by hand without a loss: what stands for its gradient, and where theirs are written."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engine.models.network import Then


def to_logits(logits: Tensor) -> Tensor:
    """A gradient that stands for that of a loss."""
    return torch.randn(logits.shape, generator=torch.Generator().manual_seed(2)).to(logits)


def then(logits: Tensor, room: Tensor) -> Callable[[slice], None]:
    """What writes it where a way asks for it."""
    given = torch.nn.functional.pad(to_logits(logits), (0, room.shape[1] - logits.shape[1]))

    def take(rows: slice) -> None:
        room[rows] = given[rows]

    return take


def noting(taken: Tensor, seen: Tensor) -> Then:
    """What notes how often each row was taken, and its logits."""

    def then(logits: Tensor, room: Tensor) -> Callable[[slice], None]:
        del room

        def take(rows: slice) -> None:
            taken[rows] += 1
            seen[rows] = logits[rows]

        return take

    return then


def way_of(model: Any, read: tuple[int, ...]) -> tuple[Any, dict[str, Tensor]]:
    """The way of its own, and where it writes the gradients."""
    parameters = {name: x.detach() for name, x in model.named_parameters()}
    found = {name: torch.full_like(x, torch.nan) for name, x in parameters.items()}
    return model.by_hand(parameters, found, read), found
