"""How cross-entropy comes out of one pass over the logits, and its gradient where it is asked for.

The gradient of the mean loss is (share − one-hot) / answers, and the shares are what the loss has
computed anyway; so nothing is kept for a backward pass but that gradient in the logits' own type.

Shapes: ``B`` examples, ``A`` answer positions, ``V`` vocabulary, ``R`` rows (example, answer).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.kernels.threads import by_shares


class LossOfRows(NamedTuple):
    """A loss whose rows are taken some at a time, by any thread."""

    take: Callable[[slice], None]
    """Writes the gradient of some rows."""
    total: Callable[[], float]
    """The loss, when all rows have been taken."""


def answer_loss_in_one_pass(
    logits: Float[Tensor, "B A V"],
    targets: Int[Tensor, "B A"],
    *,
    n_classes: int,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, ""]:
    """`engine.losses.cross_entropy.answer_loss` with its gradient at once; not under vmap."""
    return _AnswerLoss.apply(logits, targets, n_classes, dtype)


def loss_of_rows(
    logits: Float[Tensor, "R V"],
    targets: Int[Tensor, " R"],
    gradient: Float[Tensor, "_ W"],
    *,
    scale: float,
    n_classes: int,
    dtype: torch.dtype = torch.float32,
) -> LossOfRows:
    """`scale` times the sum over rows, without autograd.

    Its gradient is written into `gradient` where that has rows. Where they are longer than there
    are logits, they are filled up with zeros.
    """
    # Numba is imported where its loops are called
    from engine.kernels.softmax import CrossEntropy

    arrays = logits, targets, gradient
    found = CrossEntropy(*arrays, n_classes=n_classes, scale=scale, dtype=dtype)
    return LossOfRows(found.take, found.total)


class _AnswerLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, targets: Tensor, n_classes: int, dtype: torch.dtype
    ) -> Tensor:
        from engine.kernels.softmax import n_asked

        is_wanted, flat = any(ctx.needs_input_grad), logits.detach().flatten(0, 1)
        gradient = torch.empty_like(flat) if is_wanted else flat[:0]
        asked = targets.flatten().contiguous()
        scale = 1 / max(n_asked(asked), 1)
        rows = loss_of_rows(flat, asked, gradient, scale=scale, n_classes=n_classes, dtype=dtype)
        by_shares(lambda share, _: rows.take(share), len(flat))
        if is_wanted:
            ctx.save_for_backward(gradient.view(logits.shape))
        return logits.new_tensor(rows.total(), dtype=dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (of_logits,) = ctx.saved_tensors
        # a loss that stands for itself has the gradient 1
        if gradient.item() != 1:
            of_logits = of_logits * gradient.to(of_logits.dtype)
        return of_logits, None, None, None
