"""Loss and gradient in one pass, against torch's chain of operations."""

import pytest
import torch
from torch import Tensor

from data import IGNORED
from engine.losses.cross_entropy import answer_loss
from engine.losses.one_pass import answer_loss_in_one_pass


def _inputs(n_classes: int, *, scale: float, ignored: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(n_classes)
    logits = scale * torch.randn(17, 2, 13, generator=draw)
    targets = torch.randint(n_classes, (17, 2), generator=draw)
    targets.view(-1)[:ignored] = IGNORED
    return logits.requires_grad_(), targets


@pytest.mark.parametrize("ignored", [0, 5, 34])
@pytest.mark.parametrize("scale", [1.0, 40.0])
@pytest.mark.parametrize("n_classes", [13, 9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_loss_and_gradient_are_those_of_the_chain(
    dtype: torch.dtype, n_classes: int, scale: float, ignored: int
):
    logits, targets = _inputs(n_classes, scale=scale, ignored=ignored)
    found, wanted = (
        loss(logits, targets, n_classes=n_classes, dtype=dtype)
        for loss in (answer_loss_in_one_pass, answer_loss)
    )
    assert found.dtype == dtype
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)
    alone = answer_loss_in_one_pass(logits.detach(), targets, n_classes=n_classes, dtype=dtype)
    torch.testing.assert_close(alone, wanted.detach(), rtol=1e-6, atol=1e-7)
    got, expected = (torch.autograd.grad(3 * loss, logits)[0] for loss in (found, wanted))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-8)


def test_a_confident_answer_keeps_its_small_loss_in_float64():
    logits = torch.tensor([[[30.0, 0.0, 0.0]]], requires_grad=True)
    targets = torch.zeros(1, 1, dtype=torch.int64)
    loss = answer_loss_in_one_pass(logits, targets, n_classes=3, dtype=torch.float64)
    assert loss.item() == pytest.approx(2 * torch.tensor(-30.0, dtype=torch.float64).exp().item())
    assert torch.autograd.grad(loss, logits)[0][0, 0, 1] > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("place", range(13))
def test_a_nan_among_the_logits_reaches_the_loss(place: int, dtype: torch.dtype):
    logits, targets = _inputs(13, scale=1.0, ignored=0)
    with torch.no_grad():
        logits[3, 1, place] = float("nan")
    assert answer_loss_in_one_pass(logits, targets, n_classes=13, dtype=dtype).isnan()
