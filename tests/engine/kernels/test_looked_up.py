"""Attention from a table of products against torch's softmax."""

import pytest
import torch
from torch import Tensor

from engine.kernels.looked_up import looked_up_attention, looked_up_attention_by_torch

B, T, H, N, Q = 29, 5, 3, 17, 4


def _inputs(dtype: torch.dtype, *, n_read: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(n_read)
    products = 30 * torch.randn(Q, N, H, generator=draw, dtype=dtype)
    rows = torch.randint(N, (B, T), generator=draw)
    asked = torch.randint(Q, (B * n_read,), generator=draw)
    read = torch.arange(T - n_read, T)
    return products.requires_grad_(), rows, asked, torch.arange(T) > read[:, None]


@pytest.mark.parametrize("n_read", [1, 4])
@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 1e-5), (torch.float64, 1e-13)], ids=["f32", "f64"]
)
def test_weights_and_gradients_equal_torch(dtype: torch.dtype, within: float, n_read: int):
    inputs = _inputs(dtype, n_read=n_read)
    ours, theirs = (f(*inputs, 0.25) for f in (looked_up_attention, looked_up_attention_by_torch))
    torch.testing.assert_close(ours, theirs, rtol=within, atol=within)
    weigh = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    (got,), (wanted,) = (
        torch.autograd.grad((weights * weigh).sum(), inputs[0]) for weights in (ours, theirs)
    )
    torch.testing.assert_close(got, wanted, rtol=100 * within, atol=100 * within)


def test_a_nan_among_the_scores_is_seen():
    products, rows, asked, hidden = _inputs(torch.float32, n_read=1)
    with torch.no_grad():
        products[asked[3], rows[3, 2], 1] = float("nan")
    weights = looked_up_attention(products, rows, asked, hidden, 1.0).view(B, T, H)
    assert weights[3, :, 1].isnan().all()
    assert not weights[..., [0, 2]].isnan().any()


def test_far_scores_neither_overflow_nor_vanish():
    products, rows, asked, hidden = _inputs(torch.float32, n_read=1)
    weights = looked_up_attention(products * 1e4, rows, asked, hidden, 1.0).view(B, T, H)
    torch.testing.assert_close(weights.sum(1), torch.ones(B, H))
