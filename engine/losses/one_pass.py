"""How cross-entropy and its gradient come out of one pass over the logits.

The gradient of the mean loss is (share − one-hot) / answers, and the shares are what the loss has
computed anyway; so nothing is kept for a backward pass but that gradient in the logits' own type.

Shapes: ``B`` examples, ``A`` answer positions, ``V`` vocabulary, ``R`` rows (example, answer).
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from data.task import IGNORED


def answer_loss_in_one_pass(
    logits: Float[Tensor, "B A V"],
    targets: Int[Tensor, "B A"],
    *,
    n_classes: int,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, ""]:
    """`engine.losses.cross_entropy.answer_loss`, with its gradient taken at once.

    For training alone, and not under vmap: where no gradient is asked for, it costs more.
    """
    return _AnswerLoss.apply(logits, targets, n_classes, dtype)


class _AnswerLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, targets: Tensor, n_classes: int, dtype: torch.dtype
    ) -> Tensor:
        classes = logits.detach()[..., :n_classes].flatten(0, 1)
        flat = targets.flatten()
        is_asked = flat != IGNORED
        n_asked = int(is_asked.sum())
        places = flat.clamp(min=0)[:, None]
        shares = classes.to(dtype, copy=True).sub_(classes.amax(1, keepdim=True))
        of_answers = shares.gather(1, places)
        sums = shares.exp_().sum(1, keepdim=True)
        losses = (sums.log() - of_answers)[:, 0]
        if n_asked < len(flat):
            losses = losses.where(is_asked, 0.0)
            sums = sums.where(is_asked[:, None], torch.inf)
        scale = 1 / max(n_asked, 1)
        shares.mul_(scale / sums)
        shares.scatter_add_(1, places, -scale * is_asked.to(dtype)[:, None])
        gradient = logits.new_zeros(logits.shape)
        gradient[..., :n_classes] = shares.view(*logits.shape[:2], -1)
        ctx.save_for_backward(gradient)
        return losses.sum() * scale

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (of_logits,) = ctx.saved_tensors
        return of_logits * gradient.to(of_logits.dtype), None, None, None
