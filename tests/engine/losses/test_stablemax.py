"""StableMax against its definition, and where it differs from softmax."""

import pytest
import torch
from torch import Tensor

from data import IGNORED
from engine.losses.cross_entropy import answer_loss
from engine.losses.stablemax import log_stablemax, stablemax_loss

N_CLASSES = 5


@pytest.fixture
def logits() -> Tensor:
    drawn = 5.0 * torch.randn(20, 3, N_CLASSES + 2, generator=torch.Generator().manual_seed(0))
    drawn[0, 0, :] = 0.0
    return drawn


@pytest.fixture
def targets() -> Tensor:
    drawn = torch.randint(N_CLASSES, (20, 3), generator=torch.Generator().manual_seed(1))
    drawn[3, 1] = IGNORED
    return drawn


def plain(logits: Tensor, targets: Tensor) -> Tensor:
    """The published formula, one answer after another, in float64."""
    losses: list[Tensor] = []
    for row, target in zip(logits.flatten(0, 1), targets.flatten(), strict=True):
        if int(target) == IGNORED:
            continue
        x = row[:N_CLASSES].double()
        s = torch.stack([v + 1 if v >= 0 else 1 / (1 - v) for v in x])
        losses.append(-torch.log(s[int(target)] / s.sum()))
    return torch.stack(losses).mean()


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_the_loss_is_that_of_the_published_formula(
    logits: Tensor, targets: Tensor, dtype: torch.dtype, within: float
):
    found = stablemax_loss(logits, targets, n_classes=N_CLASSES, dtype=dtype)
    assert found.dtype == dtype
    assert abs(float(found) - float(plain(logits, targets))) < within


def test_gradients_are_those_of_the_published_formula(logits: Tensor, targets: Tensor):
    logits = logits.double().requires_grad_()
    loss = stablemax_loss(logits, targets, n_classes=N_CLASSES, dtype=torch.float64)
    (found,) = torch.autograd.grad(loss, logits)
    (expected,) = torch.autograd.grad(plain(logits, targets), logits)
    torch.testing.assert_close(found, expected)


def test_shares_sum_to_one_and_large_logits_stay_finite():
    logits = torch.tensor([[1e30, -1e30, 0.0, 3.0]], requires_grad=True)
    log_shares = log_stablemax(logits)
    assert log_shares.exp().sum().item() == pytest.approx(1.0)
    (gradient,) = torch.autograd.grad(log_shares.sum(), logits)
    assert log_shares.isfinite().all()
    assert gradient.isfinite().all()


def test_a_confident_answer_keeps_a_loss_where_softmax_has_collapsed():
    logits, targets = torch.tensor([[[60.0, 0.0]]]), torch.tensor([[0]])
    assert float(answer_loss(logits, targets, n_classes=2)) == 0.0
    found = float(stablemax_loss(logits, targets, n_classes=2))
    assert found == pytest.approx(0.01626, rel=1e-3)  # log(62 / 61)
    assert found > 0.0


def test_symbols_are_dropped_and_mapped_runs_equal_single_ones(logits: Tensor, targets: Tensor):
    changed = logits.clone()
    changed[..., N_CLASSES:] += 100.0
    one = stablemax_loss(logits, targets, n_classes=N_CLASSES)
    assert float(one) == float(stablemax_loss(changed, targets, n_classes=N_CLASSES))

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return stablemax_loss(logits, targets, n_classes=N_CLASSES)

    both = torch.vmap(loss)(torch.stack([logits, 2 * logits]), torch.stack([targets, targets]))
    expected = torch.stack([one, loss(2 * logits, targets)])
    torch.testing.assert_close(both, expected)
