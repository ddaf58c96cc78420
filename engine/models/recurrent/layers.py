"""Which parts the recurrent networks have in common: products, norms, looks at the past.

Shapes: ``B`` examples, ``T`` tokens, ``C`` channels, ``V`` vocabulary, ``K`` width of a filter.

Parameters are named and oriented as in `torch.nn`; none holds values when it is made.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Module):
    """x Wᵀ + b with W stored (out, in)."""

    def __init__(self, n_in: int, n_out: int, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_out)) if bias else None

    def forward(self, x: Float[Tensor, "*rows i"], dtype: torch.dtype) -> Float[Tensor, "*rows o"]:
        """The product taken in `dtype`; it and its sum with the bias are of the weights' type."""
        product = F.linear(x.to(dtype), self.weight.to(dtype)).to(self.weight.dtype)
        return product if self.bias is None else product + self.bias


class Embedding(nn.Module):
    """One row for each token."""

    def __init__(self, vocab_size: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab_size, width))

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T C"]:
        """The tokens' rows."""
        return gather(self.weight, tokens)


class RMSNorm(nn.Module):
    """x over its root mean square, times a gain. Source: Zhang and Sennrich 2019."""

    def __init__(self, width: int, *, n_groups: int = 1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.n_groups = n_groups
        self.eps = eps

    def forward(self, x: Float[Tensor, "*rows C"]) -> Float[Tensor, "*rows C"]:
        """Each group of channels normed by itself."""
        groups = x.unflatten(-1, (self.n_groups, -1))
        mean_square = groups.square().mean(-1, keepdim=True)
        return (groups * torch.rsqrt(mean_square + self.eps)).flatten(-2) * self.weight


class CausalConv(nn.Module):
    """A filter along time for each channel; the weight is (C, 1, K) as in `torch.nn.Conv1d`.

    Shifted multiply-adds: for K of 4 they take half the time of a grouped convolution.
    """

    def __init__(self, n_channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_channels, 1, width))
        self.bias = nn.Parameter(torch.empty(n_channels))

    def forward(self, x: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        """At position t, a weighted sum over the positions t − K + 1 … t."""
        T, K = x.shape[1], self.weight.shape[2]
        padded, out = F.pad(x, (0, 0, K - 1, 0)), self.bias
        for tap in range(K):
            out = out + padded[:, tap : tap + T] * self.weight[:, 0, tap]
        return out


def gather(
    table: Float[Tensor, "V W"], index: Int[Tensor, "*places"]
) -> Float[Tensor, "*places W"]:
    """Rows of a table; `index_select` has the cheapest backward of all gathers on the CPU."""
    return table.index_select(0, index.reshape(-1)).view(*index.shape, -1)


def previous(x: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
    """At each position what was one position earlier, and zeros at the first."""
    return F.pad(x, (0, 0, 1, -1))
