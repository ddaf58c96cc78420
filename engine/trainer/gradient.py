"""How the gradient of all runs is taken on the examples of one update.

Shapes: ``R`` runs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.trainer.examples import Examples
from engine.trainer.program import Dropout, Program
from engine.trainer.weights import Group, Weights

Dropped = Callable[[slice, int], Dropout]
"""(rows, part of the examples) → what the network is told to leave out."""


@dataclass(frozen=True, slots=True)
class Gradient:
    """What the weights of one step gave on the examples of the next update."""

    loss: Float[Tensor, " R"]
    accuracy: Float[Tensor, " R"] | None
    """Only where it was asked for."""


def take_gradient(
    program: Program,
    weights: Weights,
    examples: Examples,
    dropped: Dropped,
    *,
    n_parts: int,
    with_accuracy: bool = False,
) -> Gradient:
    """Leave the gradient in `weights`; the examples are taken in `n_parts` parts at most."""
    found = [
        _of_group(
            program,
            weights,
            group,
            examples.of(group.rows),
            dropped,
            n_parts=n_parts,
            with_accuracy=with_accuracy,
        )
        for group in weights.groups
    ]
    if len(found) == 1:
        ((loss, right),) = found
    else:
        loss, right = (torch.cat(each) for each in zip(*found, strict=True))
    accuracy = right / examples.n_answers().clamp(min=1) if with_accuracy else None
    return Gradient(loss, accuracy)


def _of_group(
    program: Program,
    weights: Weights,
    group: Group,
    examples: Examples,
    dropped: Dropped,
    *,
    n_parts: int,
    with_accuracy: bool,
) -> tuple[Tensor, Tensor]:
    """Loss and number of right answers; parts of the examples are taken one by one."""
    n_parts = min(n_parts, examples.tokens.shape[1])
    asked = examples.n_answers().clamp(min=1) if n_parts > 1 else None
    losses: list[Tensor] = []
    right: list[Tensor] = []
    for i, part in enumerate(examples.parts(n_parts)):
        share = None if asked is None else part.n_answers() / asked
        rows = (weights.scratch if i else weights.gradient)[group.rows]
        found = program.by_hand(group, part, share, beside=i > 0)
        if found is None:
            left_out = dropped(group.rows, i)
            gradients, *found = program.gradients(group.leaves, part, share, left_out)
            weights.layout.fill(rows, gradients)
        if i:
            weights.gradient[group.rows] += rows
        losses.append(found[0])
        if with_accuracy:
            right.append(program.n_right(found[1], part).sum(1))
    none = torch.zeros(1, device=weights.gradient.device)
    return sum(losses, none) if n_parts > 1 else losses[0], sum(right, none)
