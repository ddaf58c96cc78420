"""Whether loss and accuracy count what they should, as exactly as they should."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from data import IGNORED
from engine.kernels.answers import n_right_by_loops
from engine.losses.cross_entropy import answer_loss, n_right
from engine.losses.stablemax import stablemax_loss

N_CLASSES = 5


@pytest.fixture
def logits() -> Tensor:
    return 3.0 * torch.randn(20, 3, N_CLASSES + 2, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def targets() -> Tensor:
    return torch.randint(N_CLASSES, (20, 3), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_the_loss_is_the_mean_negative_log_probability(
    logits: Tensor, targets: Tensor, dtype: torch.dtype, within: float
):
    found = answer_loss(logits, targets, n_classes=N_CLASSES, dtype=dtype)
    probabilities = logits.double()[..., :N_CLASSES].exp()
    probabilities = probabilities / probabilities.sum(-1, keepdim=True)
    expected = -probabilities.gather(-1, targets.unsqueeze(-1)).log().mean()
    assert found.dtype == dtype
    assert abs(float(found) - float(expected)) < within


def test_gradients_equal_those_of_torch(logits: Tensor, targets: Tensor):
    logits = logits.double().requires_grad_()
    loss = answer_loss(logits, targets, n_classes=N_CLASSES, dtype=torch.float64)
    (found,) = torch.autograd.grad(loss, logits)
    reference = F.cross_entropy(logits[..., :N_CLASSES].transpose(1, 2), targets)
    (expected,) = torch.autograd.grad(reference, logits)
    torch.testing.assert_close(found, expected)


def test_ignored_answers_count_in_neither_loss_nor_accuracy(logits: Tensor, targets: Tensor):
    ignored = targets.clone()
    ignored[:, 1] = IGNORED
    kept = [0, 2]
    loss, right = (f(logits, ignored, n_classes=N_CLASSES) for f in (answer_loss, n_right))
    torch.testing.assert_close(
        loss, answer_loss(logits[:, kept], targets[:, kept], n_classes=N_CLASSES)
    )
    expected = n_right(logits[:, kept], targets[:, kept], n_classes=N_CLASSES)
    assert right[kept].tolist() == expected.tolist()
    assert right[1] == 0


def test_logits_of_symbols_are_dropped(logits: Tensor, targets: Tensor):
    changed = logits.clone()
    changed[..., N_CLASSES:] += 100.0
    for measure in (answer_loss, n_right):
        before = measure(logits, targets, n_classes=N_CLASSES)
        assert torch.equal(before, measure(changed, targets, n_classes=N_CLASSES))


@pytest.mark.parametrize("count", [n_right, n_right_by_loops])
def test_right_answers_are_counted_one_by_one(
    logits: Tensor, targets: Tensor, count: Callable[..., Tensor]
):
    targets[0, 0] = IGNORED
    found = count(logits, targets, n_classes=N_CLASSES)
    expected = [
        sum(int(logits[b, a, :N_CLASSES].argmax()) == int(targets[b, a]) for b in range(20))
        for a in range(3)
    ]
    assert found.tolist() == expected


@pytest.mark.parametrize("count", [n_right, n_right_by_loops])
def test_of_equal_logits_the_first_is_the_answer(count: Callable[..., Tensor]):
    logits = torch.tensor([1.0, 2.0, 2.0, 0.0]).expand(1, 4, 4)
    assert count(logits, torch.arange(4)[None], n_classes=4).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_beside_a_nan_nothing_counts_as_right_in_the_loops(place: int):
    logits = torch.tensor([[[0.0, 1.0, 0.0]]])
    logits[..., place] = torch.nan
    assert n_right_by_loops(logits, torch.tensor([[1]]), n_classes=3).item() == 0


def test_float32_cannot_tell_a_small_loss_from_none_and_float64_can():
    logits, targets = torch.tensor([[[18.0, 0.0]]]), torch.tensor([[0]])
    exact = 1.522997951276035e-08  # log(1 + e⁻¹⁸)
    assert float(answer_loss(logits, targets, n_classes=2)) == 0.0
    found = float(answer_loss(logits, targets, n_classes=2, dtype=torch.float64))
    assert found == pytest.approx(exact, rel=1e-6)


def test_the_smallest_float32_loss_that_is_not_zero_is_the_floor():
    gaps = torch.linspace(0, 20, 2001)
    losses = [
        float(answer_loss(torch.tensor([[[float(gap), 0.0]]]), torch.tensor([[0]]), n_classes=2))
        for gap in gaps
    ]
    assert min(loss for loss in losses if loss > 0) == pytest.approx(1.19e-7, rel=0.01)


@pytest.mark.parametrize("measure", [answer_loss, stablemax_loss])
def test_where_no_answer_is_asked_for_the_loss_and_its_gradient_are_zero(
    measure: Callable[..., Tensor], logits: Tensor
):
    logits = logits.requires_grad_()
    nothing = torch.full((20, 3), IGNORED)
    loss = measure(logits, nothing, n_classes=N_CLASSES)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == 0.0
    assert not gradient.any()
    assert not n_right(logits.detach(), nothing, n_classes=N_CLASSES).any()
