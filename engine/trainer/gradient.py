"""How the gradient of all runs is taken on the examples of one update.

Shapes: ``R`` runs.
"""

import math
from collections.abc import Callable, Sequence
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

    losses: Sequence[Tensor | float]
    """Of each group: [R], or the number of a group of one run."""
    accuracy: Float[Tensor, " R"] | None
    """Only where it was asked for."""
    dtype: torch.dtype = torch.float32
    """Of a loss that comes as a number."""

    @property
    def loss(self) -> Float[Tensor, " R"]:
        """The loss of each run; most steps do without."""
        if len(self.losses) == 1 and isinstance(self.losses[0], Tensor):
            return self.losses[0]
        given = ((x if isinstance(x, Tensor) else [x]) for x in self.losses)
        return torch.cat([torch.as_tensor(x, dtype=self.dtype) for x in given])

    @property
    def is_known_finite(self) -> bool:
        """Whether every loss is a number that the host has at hand, and finite."""
        return all(not isinstance(x, Tensor) and math.isfinite(x) for x in self.losses)


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
    accuracy = None
    if with_accuracy:
        right = torch.cat([torch.stack(of_parts).sum(0) for _, of_parts in found])
        accuracy = right / examples.n_answers().clamp(min=1)
    return Gradient([loss for loss, _ in found], accuracy, program.loss_dtype)


def _of_group(
    program: Program,
    weights: Weights,
    group: Group,
    examples: Examples,
    dropped: Dropped,
    *,
    n_parts: int,
    with_accuracy: bool,
) -> tuple[Tensor | float, list[Tensor]]:
    """Loss and, with accuracy, the number of right answers of each part, taken one by one."""
    n_parts = min(n_parts, examples.tokens.shape[1])
    asked = examples.n_answers().clamp(min=1) if n_parts > 1 else None
    loss: Tensor | float = 0.0
    right: list[Tensor] = []
    for i, part in enumerate(examples.parts(n_parts)):
        share = None if asked is None else part.n_answers() / asked
        found = program.by_hand(group, part, share, beside=i > 0)
        if found is None:
            left_out = dropped(group.rows, i)
            gradients, *found = program.gradients(group.leaves, part, share, left_out)
            to = weights.scratch if i else weights.gradient
            weights.layout.fill(to[group.rows], gradients)
        of_part, logits = found
        if i:
            weights.gradient[group.rows] += weights.scratch[group.rows]
        loss = of_part + loss if i else of_part
        if with_accuracy:
            right.append(program.n_right(logits.view(*part.targets.shape, -1), part).sum(1))
    return loss, right
