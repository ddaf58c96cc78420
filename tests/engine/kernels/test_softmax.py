"""The exponential of our own against the library's."""

import math

import pytest
import torch

from engine.kernels.softmax import CrossEntropy, exponentials

LEAST = {torch.float64: -707.0, torch.float32: -87.0}
dtypes = pytest.mark.parametrize("dtype", LEAST)


@dtypes
@pytest.mark.parametrize("largest", [1e-12, 1e-3, 0.4, 1.0, 30.0, 700.0])
def test_exponentials_are_those_of_the_library_to_the_last_bits(
    largest: float, dtype: torch.dtype
):
    draw = torch.Generator().manual_seed(1)
    x = -min(largest, 0.99 * -LEAST[dtype]) * torch.rand(40, 77, generator=draw, dtype=dtype)
    wanted = x.double().exp().to(dtype)
    ulp = torch.nextafter(wanted, torch.full_like(wanted, math.inf)) - wanted
    assert ((exponentials(x) - wanted).abs() <= 1.01 * ulp).all()


@dtypes
def test_zero_is_exact_and_what_is_not_a_number_stays_so(dtype: torch.dtype):
    least = LEAST[dtype]
    found = exponentials(torch.tensor([[0.0, -0.0, math.nan, least]], dtype=dtype))[0].tolist()
    assert found[:2] == [1.0, 1.0]
    assert math.isnan(found[2])
    assert found[3] == pytest.approx(math.exp(least), rel=1e-6)


@dtypes
@pytest.mark.parametrize("further", [1.0, 1e4, math.inf])
def test_of_what_is_too_small_for_any_loss_nothing_is_left(further: float, dtype: torch.dtype):
    assert exponentials(torch.tensor([[LEAST[dtype] - further]], dtype=dtype)).item() == 0.0


@dtypes
@pytest.mark.parametrize("n_classes", [1, 2, 15, 16, 17, 113])
def test_any_number_of_classes_is_normalised(n_classes: int, dtype: torch.dtype):
    draw = torch.Generator().manual_seed(n_classes)
    logits = 20 * torch.randn(9, n_classes + 2, generator=draw)
    targets = torch.randint(n_classes, (9,), generator=draw)
    gradient = torch.empty_like(logits)
    rows = CrossEntropy(logits, targets, gradient, n_classes=n_classes, scale=1.0, dtype=dtype)
    for some in (slice(4, 9), slice(0, 4)):
        rows.take(some)
    wanted = torch.nn.functional.cross_entropy(
        logits[:, :n_classes].double(), targets, reduction="sum"
    )
    assert rows.total() == pytest.approx(
        wanted.item(), rel=1e-12 if dtype == torch.float64 else 1e-6
    )
    assert gradient.sum(1).abs().max() < 1e-6
    assert not gradient[:, n_classes:].any()
