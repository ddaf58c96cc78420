"""How cross-entropy comes out of one pass over the logits, and its gradient where it is asked for.

The gradient of the mean loss is (share − one-hot) / answers, and the shares are what the loss has
computed anyway; so nothing is kept for a backward pass but that gradient in the logits' own type.

Shapes: ``B`` examples, ``A`` answer positions, ``V`` vocabulary, ``R`` rows (example, answer).
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.kernels.shares import differences, loss_alone, loss_and_gradient, n_asked


def answer_loss_in_one_pass(
    logits: Float[Tensor, "B A V"],
    targets: Int[Tensor, "B A"],
    *,
    n_classes: int,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, ""]:
    """`engine.losses.cross_entropy.answer_loss` with its gradient at once; not under vmap."""
    return _AnswerLoss.apply(logits, targets, n_classes, dtype)


def loss_with_gradient(
    logits: Float[Tensor, "R V"],
    targets: Int[Tensor, " R"],
    gradient: Float[Tensor, "_ W"],
    *,
    n_asked: int,
    n_classes: int,
    dtype: torch.dtype = torch.float32,
) -> float:
    """The loss, without autograd; its gradient is written into `gradient` where that has rows.

    Where they are longer than there are logits, they are filled up with zeros. `n_asked` is the
    number of targets that ask for an answer.
    """
    take = _in_float32
    if dtype == torch.float64:
        # Numba is imported where its loops are called
        from engine.kernels.softmax import cross_entropy as take
    return take(logits, targets, gradient, n_classes=n_classes, scale=1 / max(n_asked, 1))


class _AnswerLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, targets: Tensor, n_classes: int, dtype: torch.dtype
    ) -> Tensor:
        is_wanted, flat = any(ctx.needs_input_grad), logits.detach().flatten(0, 1)
        gradient = torch.empty_like(flat) if is_wanted else flat[:0]
        asked = targets.flatten().contiguous()
        numbers = {"n_asked": n_asked(asked), "n_classes": n_classes}
        loss = loss_with_gradient(flat, asked, gradient, dtype=dtype, **numbers)
        if is_wanted:
            ctx.save_for_backward(gradient.view(logits.shape))
        return logits.new_tensor(loss, dtype=dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (of_logits,) = ctx.saved_tensors
        # a loss that stands for itself has the gradient 1
        if gradient.item() != 1:
            of_logits = of_logits * gradient.to(of_logits.dtype)
        return of_logits, None, None, None


def _in_float32(
    logits: Float[Tensor, "R V"],
    targets: Int[Tensor, " R"],
    gradient: Float[Tensor, "_ W"],
    *,
    n_classes: int,
    scale: float,
) -> float:
    """`engine.kernels.softmax.cross_entropy` in float32, with torch's exponential."""
    shares, ahead = torch.empty(len(logits), n_classes), torch.empty(len(logits))
    differences(logits, targets, shares, ahead)
    shares.exp_()
    if len(gradient):
        return loss_and_gradient(shares, ahead, targets, gradient, scale=scale)
    return loss_alone(shares, ahead, targets, scale=scale)
