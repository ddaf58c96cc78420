"""How far logits are from the answers under StableMax, a softmax that grows linearly.

s(x) = x + 1 above 0 and 1 / (1 − x) below takes the place of exp(x), so a confident answer never
absorbs the others: losses and gradients stay apart from 0 where float32's softmax has collapsed.
Source: Prieto et al. 2025, section 4.

Shapes: ``B`` examples, ``A`` answer positions, ``V`` vocabulary.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.losses.cross_entropy import mean_over_answers


def log_stablemax(logits: Float[Tensor, "*rows V"]) -> Float[Tensor, "*rows V"]:
    """Logarithm of s(x) over the sum of s, along the last dimension; finite for finite logits."""
    # log s is log1p of the size with the logit's sign; each branch sees its own half alone, so
    # that the gradient at 0 is 1 and none is infinite
    grown = torch.where(logits >= 0, logits.clamp(min=0).log1p(), -(-logits).clamp(min=0).log1p())
    return grown.log_softmax(-1)


def stablemax_loss(
    logits: Float[Tensor, "B A V"],
    targets: Int[Tensor, "B A"],
    *,
    n_classes: int,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, ""]:
    """Mean negative log-stablemax of the answers that are not ignored, in `dtype`; else 0.

    Logits from `n_classes` on are dropped, as in `answer_loss`.
    """
    log_shares = log_stablemax(logits[..., :n_classes].to(dtype))
    return mean_over_answers(log_shares, targets)
