"""The micro-kernel as each kind of processor gets it, against products of torch."""

from typing import Any

import numba
import numpy as np
import pytest
import torch

from engine.kernels import products
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS, add_product, product

PROCESSORS = {
    "AVX-512 with bfloat16": (16, 4, True),
    "AVX-512": (16, 4, False),
    "AVX2": (8, 2, False),
}
"""Numbers in a vector, vectors in a tile's row, an instruction for pairs."""


@pytest.fixture(params=PROCESSORS)
def multiply(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """(c, a, b, adds) → nothing, c being one tile; compiled anew for a kind of processor."""
    lanes, n_vectors, has_pairs = PROCESSORS[request.param]
    if has_pairs and not products._HAS_PAIRS:
        pytest.skip("This processor has no AVX512-BF16: run the test on one that has.")
    monkeypatch.setattr(products, "_LANES", lanes)
    monkeypatch.setattr(products, "_N_VECTORS", n_vectors)
    monkeypatch.setattr(products, "_VECTOR", products.ir.VectorType(products.FLOAT, lanes))
    monkeypatch.setattr(products, "_VECTOR_OF_UNITS", products.ir.VectorType(products.INT, lanes))
    monkeypatch.setattr(products, "_HAS_PAIRS", has_pairs)

    @numba.njit
    def run(c, a, b, adds):
        steps = (c.shape[1], a.shape[1], 1, b.shape[1])
        if adds:
            add_product(c, 0, a, 0, b, 0, steps, b.shape[0])
        else:
            product(c, 0, a, 0, b, 0, steps, b.shape[0])

    return run


@pytest.mark.parametrize("n_units", [1, 2, 33])
@pytest.mark.parametrize("adds", [False, True])
def test_numbers(multiply: Any, n_units: int, adds: bool):
    draw = torch.Generator().manual_seed(n_units)
    a = torch.randn(TILE_ROWS, n_units, generator=draw)
    b = torch.randn(n_units, WIDTH + 3, generator=draw)
    c = torch.randn(TILE_ROWS, WIDTH + 5, generator=draw)
    wanted = c.double()
    wanted[:, :WIDTH] = adds * wanted[:, :WIDTH] + a.double() @ b[:, :WIDTH].double()
    multiply(c.numpy(), a.numpy(), b.numpy(), adds)
    torch.testing.assert_close(c.double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_units", [1, 2, 33])
@pytest.mark.parametrize("adds", [False, True])
def test_pairs(multiply: Any, n_units: int, adds: bool):
    draw = torch.Generator().manual_seed(n_units)
    a = torch.randn(TILE_ROWS, 2 * n_units, generator=draw).bfloat16()
    b = torch.randn(n_units, WIDTH, 2, generator=draw).bfloat16()
    c = torch.randn(TILE_ROWS, WIDTH, generator=draw)
    apart = b.transpose(1, 2).reshape(2 * n_units, WIDTH)
    wanted = adds * c.double() + a.double() @ apart.double()
    pairs = [each.contiguous().view(torch.int32).numpy().view(np.uint32) for each in (a, b)]
    multiply(c.numpy(), pairs[0], pairs[1].reshape(n_units, WIDTH), adds)
    torch.testing.assert_close(c.double(), wanted, rtol=1e-5, atol=1e-5)
