"""The hidden layer's loops against operations of torch, in both types of their products."""

import math

import pytest
import torch
from torch import Tensor

from engine.kernels.panels import WIDTH
from engine.kernels.rectified_layer import ROWS_BACKWARD, Layer, gradients_of, logits_of
from engine.kernels.row_sums import Places
from engine.models.gpt import rectified
from engine.models.gpt.rectified import in_panels, rectified_logits_by_torch
from tests.engine.kernels.threads import threads

SIZES = {
    "less than a panel, an odd number of results": (37, 19, 40, 11, 5),
    "more than a panel of both, an odd number of logits": (38, 19, 70, 67, 3),
    "whole panels, one logit more than whole tiles": (24, 7, 128, 64, 1),
    "more results than a block takes": (2 * ROWS_BACKWARD + 5, 30, 65, 13, 8),
}
"""Results, rows of the table, hidden layer, logits, rows summed."""


def _layer(size: str, dtype: torch.dtype = torch.float32, *, n_bases: int = 3) -> Layer:
    R, M, F, V, K = SIZES[size]
    draw = torch.Generator().manual_seed(R + F)

    def panels(n: int) -> Tensor:
        parts = (in_panels(torch.randn(n, width, generator=draw)) for width in (F, V))
        return torch.cat(list(parts), 1).unflatten(1, (-1, 64)).transpose(0, 1).contiguous()

    places = Places(
        torch.randn(R, K + 2, generator=draw),
        torch.randint(M, (R, K), generator=draw),
        torch.randint(n_bases, (R,), generator=draw),
    )
    through = torch.randn(F, V, generator=draw) / F**0.5
    return Layer(panels(M), panels(n_bases), places, through, dtype)


def _gradient(layer: Layer) -> Tensor:
    shape = len(layer.places.rows), layer.through.shape[1]
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def _by_torch(layer: Layer) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Logits and gradients in float64, but for rounding to the type of the products."""
    weights, rows, asked = layer.places
    leaves = [
        each.double().requires_grad_()
        for each in (layer.table, layer.base, weights, layer.through)
    ]
    table, base, weights, through = leaves
    places = Places(weights, rows, asked)
    logits = rectified_logits_by_torch(table, base, places, through, layer.dtype)
    return logits, torch.autograd.grad(logits, leaves, _gradient(layer).double())


@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 1e-6), (torch.bfloat16, 6e-3)], ids=["f32", "bf16"]
)
@pytest.mark.parametrize("size", SIZES)
def test_logits_and_gradients_equal_torch(size: str, dtype: torch.dtype, within: float):
    layer = _layer(size, dtype)
    logits, hidden = logits_of(layer, keeps=True)
    wanted, gradients = _by_torch(layer)
    assert (logits - wanted).norm() < within * wanted.norm()
    for name, got, other in zip(
        ("table", "base", "weights", "through"),
        gradients_of(layer, hidden, _gradient(layer)),
        gradients,
        strict=True,
    ):
        assert got.shape == other.shape, name
        assert (got - other).norm() < within * other.norm(), name


@pytest.mark.parametrize("size", SIZES)
def test_products_in_bfloat16_are_rounded_before_they_are_summed_and_not_after(size: str):
    layer = _layer(size, torch.bfloat16)
    logits, _ = logits_of(layer, keeps=False)
    rounded, _ = _by_torch(layer)
    exact, _ = _by_torch(layer._replace(dtype=torch.float32))
    assert (logits - rounded).norm() < 0.2 * (rounded - exact).norm()
    assert not torch.equal(logits, logits.bfloat16().float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_numbers_do_not_depend_on_the_threads_nor_on_what_is_kept(size: str, dtype: torch.dtype):
    layer = _layer(size, dtype)
    found = []
    for n in (1, 2, 5):
        with threads(n):
            logits, hidden = logits_of(layer, keeps=True)
            alone, nothing = logits_of(layer, keeps=False)
            assert torch.equal(logits, alone)
            assert not nothing.numel()
            found.append([logits, *gradients_of(layer, hidden, _gradient(layer))])
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_result_has_the_same_logits_alone_and_among_others(dtype: torch.dtype):
    layer = _layer("more results than a block takes", dtype)
    together, _ = logits_of(layer, keeps=False)
    for r in (0, 5, 400, len(together) - 1):
        own = Places(*(each[r : r + 1] for each in layer.places))
        alone, _ = logits_of(layer._replace(places=own), keeps=False)
        assert torch.equal(together[r : r + 1], alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_what_is_not_a_number_stays_so(dtype: torch.dtype):
    layer = _layer("less than a panel, an odd number of results", dtype, n_bases=1)
    logits, hidden = logits_of(layer, keeps=True)
    assert logits.isfinite().all()
    layer.base[0, 0, 3] = float("nan")
    logits, hidden = logits_of(layer, keeps=True)
    assert logits.isnan().all()
    _, to_base, _, to_through = gradients_of(layer, hidden, _gradient(layer))
    # as torch's own gradient of a ReLU, which passes where it was not a number
    through = (_gradient(layer) @ layer.through.T)[:, 3].sum()
    assert to_base[0, 0, 3] == pytest.approx(through.item(), rel=0.05)
    assert to_through[3].isnan().all()
    assert to_through[2].isfinite().all()
    layer.base[0, 0, 3] = float("-inf")
    logits, _ = logits_of(layer, keeps=True)
    assert logits.isfinite().all()
    layer.base[0, 0, 3] = math.inf
    logits, _ = logits_of(layer, keeps=True)
    assert (~logits.isfinite()).all()


def test_the_network_fills_up_to_panels_of_the_loops_width():
    """It cannot ask them: Numba takes half a second to import, and may be missing."""
    assert rectified.WIDTH == WIDTH
