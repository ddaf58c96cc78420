"""Whether our RWKV-7 is the published one: logits by its package, gradients by a slow twin."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from engine.models import RWKV7Settings
from engine.models.rwkv7.network import RWKV7
from tests.engine.models.agreement import gradient_agrees, logits_agree
from tests.engine.models.recurrent.parity import counted_flops, perturb, rows
from tests.engine.models.rwkv7 import twin

V = 23
SETTINGS = RWKV7Settings(n_layers=3, d_model=24, n_heads=3, d_mlp=40, d_low_rank=5)


def network(length: int) -> RWKV7:
    model = RWKV7(SETTINGS, vocab_size=V, length=length)
    model.reset(torch.Generator().manual_seed(0))
    perturb(model, scale=0.2)
    return model


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package decides by its environment, when it is imported, which network it has."""
    monkeypatch.setenv("RWKV_V7_ON", "1")
    monkeypatch.setenv("RWKV_JIT_ON", "0")
    return importlib.import_module("rwkv.model")


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("T", [2, 7, 24, 64])
def test_logits_equal_those_of_the_published_package(
    published: ModuleType, tmp_path: Path, T: int
):
    model, tokens = network(T), rows(30, T, V)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    reference = published.RWKV_x070(str(tmp_path / "weights"), "cpu fp32")
    expected = torch.stack([reference.forward(row.tolist(), None, True)[0] for row in tokens])
    logits_agree("rwkv7", model(tokens, tuple(range(T))), expected)


@pytest.mark.parametrize("T", [3, 17, 32, 64])
@pytest.mark.parametrize("repeated", [False, True], ids=["different", "repeated"])
def test_logits_and_gradients_equal_those_of_a_slow_twin_in_float64(T: int, repeated: bool):
    """Where a token repeats, all keys are alike, and gradients are differences of large sums."""
    model, tokens = network(T), rows(3, T, V)
    if repeated:
        tokens[0] = 3
    exact = {
        name: value.detach().double().requires_grad_() for name, value in model.named_parameters()
    }
    expected = torch.stack([twin.logits(exact, row, SETTINGS) for row in tokens])
    found = model(tokens, tuple(range(T)))
    logits_agree("rwkv7", found, expected)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    for name, parameter in model.named_parameters():
        gradient_agrees("rwkv7", name, parameter.grad, exact[name].grad)


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("read", [(4,), (2, 4)])
def test_flops_are_those_of_one_more_example(n_layers: int, read: tuple[int, ...]):
    settings = RWKV7Settings(n_layers=n_layers, d_model=24, n_heads=3, d_mlp=40, d_low_rank=5)
    counted = counted_flops(settings, vocab_size=13, length=5, read=read)
    assert settings.flops_per_example(13, 5, len(read)) == counted


def test_heads_that_do_not_fit_are_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"n_heads must divide d_model \(12\), got 5; .* 3, 4, 6"):
        RWKV7Settings(d_model=12, n_heads=5)
