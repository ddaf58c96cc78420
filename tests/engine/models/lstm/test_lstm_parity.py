"""Whether our cells are those of `torch.nn.LSTM`."""

import pytest
import torch
from torch import Tensor, nn

from engine.models import LSTMSettings
from tests.engine.models.recurrent.parity import compare, counted_flops, ours, perturb, rows

V = 23


class Twin(nn.Module):
    """The same network put together from torch's own parts."""

    def __init__(self, settings: LSTMSettings) -> None:
        super().__init__()
        C = settings.d_model
        self.embedding = nn.Embedding(V, C)
        self.lstm = nn.LSTM(C, C, settings.n_layers, batch_first=True)
        self.head = nn.Linear(C, V)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(tokens))[0])


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize(("n_examples", "T"), [(6, 11), (40, 11), (6, 2)])
def test_logits_and_gradients_equal_those_of_torch(n_layers: int, n_examples: int, T: int):
    torch.manual_seed(0)
    settings = LSTMSettings(n_layers=n_layers, d_model=24)
    twin, tokens = Twin(settings), rows(n_examples, T, V)
    perturb(twin)
    model = ours(settings, twin.state_dict(), vocab_size=V, length=T)
    compare(model, twin(tokens), twin, tokens)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_flops_are_those_of_one_more_example(n_layers: int):
    settings = LSTMSettings(n_layers=n_layers, d_model=24)
    counted = counted_flops(settings, vocab_size=13, length=5, read=(2, 4))
    assert settings.flops_per_example(13, 5, 2) == counted
