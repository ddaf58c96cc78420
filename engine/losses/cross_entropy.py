"""How far logits are from the answers: cross-entropy, and how many are right.

In float32 the loss of a confident answer is not small but wrong: log-softmax computes
log(1 + ε) and 1 + ε is 1 for ε below 1.2e-7. Each loss is 0 or at least about 1.2e-7, the mean
flattens there, gradients vanish for some examples and not for others, and curves show spikes.
`dtype=torch.float64` moves that floor to 2.2e-16 and costs little, since only (B, A, V) logits are
converted. Source: Nanda et al. 2023; Prieto et al. 2025.

Shapes: ``B`` examples, ``A`` answer positions, ``V`` vocabulary.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from data.task import IGNORED


def answer_loss(
    logits: Float[Tensor, "B A V"],
    targets: Int[Tensor, "B A"],
    *,
    n_classes: int,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats over the answers that are not ignored, in `dtype`; else 0.

    Logits from `n_classes` on are dropped: no answer is such a token.
    """
    return mean_over_answers(logits[..., :n_classes].to(dtype).log_softmax(-1), targets)


def mean_over_answers(
    log_shares: Float[Tensor, "B A V"], targets: Int[Tensor, "B A"]
) -> Float[Tensor, ""]:
    """Mean of −log of the answers' shares; 0, without a gradient, where all are ignored."""
    flat = targets.flatten()
    total = F.nll_loss(log_shares.flatten(0, 1), flat, ignore_index=IGNORED, reduction="sum")
    return total / (flat != IGNORED).sum().clamp(min=1)


def n_right(
    logits: Float[Tensor, "B A V"], targets: Int[Tensor, "B A"], *, n_classes: int
) -> Int[Tensor, " A"]:
    """At how many examples the first of the largest logits is the answer, where one is asked."""
    return (logits[..., :n_classes].argmax(-1) == targets).sum(0)
