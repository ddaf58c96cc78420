"""The exponential of our own against the library's."""

import math

import pytest
import torch

from engine.kernels.softmax import cross_entropy, exponentials

FLOAT = {"dtype": torch.float64}


@pytest.mark.parametrize("largest", [1e-12, 1e-3, 0.4, 1.0, 30.0, 700.0])
def test_exponentials_are_those_of_the_library_to_the_last_bits(largest: float):
    x = -largest * torch.rand(40, 77, generator=torch.Generator().manual_seed(1), **FLOAT)
    wanted = x.exp()
    ulp = torch.nextafter(wanted, torch.full_like(wanted, math.inf)) - wanted
    assert ((exponentials(x) - wanted).abs() <= 1.01 * ulp).all()


def test_zero_is_exact_and_what_is_not_a_number_stays_so():
    found = exponentials(torch.tensor([[0.0, -0.0, math.nan, -707.0]], **FLOAT))[0].tolist()
    assert found[:2] == [1.0, 1.0]
    assert math.isnan(found[2])
    assert found[3] == pytest.approx(math.exp(-707), rel=1e-12)


@pytest.mark.parametrize("far", [-708.0, -1e4, -math.inf])
def test_what_is_too_small_for_any_loss_is_as_small_as_the_least(far: float):
    assert exponentials(torch.tensor([[far]], **FLOAT)).item() == pytest.approx(math.exp(-707))


@pytest.mark.parametrize("n_classes", [1, 2, 15, 16, 17, 113])
def test_any_number_of_classes_is_normalised(n_classes: int):
    draw = torch.Generator().manual_seed(n_classes)
    logits = 20 * torch.randn(9, n_classes + 2, generator=draw)
    targets = torch.randint(n_classes, (9,), generator=draw)
    gradient = torch.empty_like(logits)
    loss = cross_entropy(logits, targets, gradient, n_classes=n_classes, scale=1.0)
    wanted = torch.nn.functional.cross_entropy(
        logits[:, :n_classes].double(), targets, reduction="sum"
    )
    assert loss == pytest.approx(wanted.item(), rel=1e-12)
    assert gradient.sum(1).abs().max() < 1e-6
    assert not gradient[:, n_classes:].any()
