"""Whether the perceptron is the plain one on one-hot rows."""

from itertools import pairwise
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models import MLPSettings
from tests.engine.models.recurrent.parity import compare, counted_flops, ours, perturb, rows

V, T = 11, 4


class Twin(nn.Module):
    """The same network put together from torch's own parts, one prefix of a row at a time."""

    def __init__(self, settings: MLPSettings) -> None:
        super().__init__()
        widths = [T * V, *[settings.d_model] * settings.n_layers, V]
        self.layers = nn.ModuleList(
            nn.Linear(*pair, bias=settings.bias) for pair in pairwise(widths)
        )
        self.activation = settings.activation

    def forward(self, tokens: Tensor) -> Tensor:
        return torch.stack([self.read(tokens, position) for position in range(T)], 1)

    def read(self, tokens: Tensor, position: int) -> Tensor:
        x = F.one_hot(tokens, V).float()
        x[:, position + 1 :] = 0
        x = x.flatten(1)
        for index, layer in enumerate(self.layers):
            x = layer(x if index == 0 else self.act(x))
        return x

    def act(self, x: Tensor) -> Tensor:
        return x * x if self.activation == "square" else getattr(F, self.activation)(x)


@pytest.mark.parametrize("activation", ["relu", "gelu", "square"])
@pytest.mark.parametrize(("n_layers", "bias"), [(1, False), (1, True), (3, True)])
def test_logits_and_gradients_equal_those_of_torch(
    activation: Literal["relu", "gelu", "square"], n_layers: int, bias: bool
):
    torch.manual_seed(0)
    settings = MLPSettings(n_layers=n_layers, d_model=24, activation=activation, bias=bias)
    twin, tokens = Twin(settings), rows(9, T, V)
    perturb(twin)
    model = ours(settings, twin.state_dict(), vocab_size=V, length=T)
    compare(model, twin(tokens), twin, tokens)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_flops_are_those_of_one_more_example(n_layers: int):
    settings = MLPSettings(n_layers=n_layers, d_model=24)
    counted = counted_flops(settings, vocab_size=13, length=5, read=(2, 4))
    assert settings.flops_per_example(13, 5, 2) == counted
