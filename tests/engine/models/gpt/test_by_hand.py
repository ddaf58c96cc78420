"""One layer's way back put together by hand, against the same loops joined by autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.models.gpt.settings import GPTSettings
from tests.engine.models.samples import READS, T, V, examples, network

FORMS: dict[str, dict[str, Any]] = {
    "nanda": {},
    "with biases": {"attention_bias": True},
    "without biases": {"mlp_bias": False},
    "tied": {"tied": True},
    "without positions": {"positions": "none"},
    "sinusoidal": {"positions": "sinusoidal"},
}


def _network(**changes: Any) -> Any:
    settings = {"d_model": 16, "n_heads": 4, "d_mlp": 48, **changes}
    model = network(GPTSettings(**settings)).float()
    if len(model.blocks) == 1:
        model._sums_rows = True  # so small a network gains nothing by it
    model.loops, model.matmul_dtype = True, torch.float32
    return model


def _to_logits(logits: Tensor) -> Tensor:
    return torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("read", READS, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_numbers_are_those_of_autograd_to_the_bit(
    form: str, read: tuple[int, ...], fixed: bool, dtype: torch.dtype
):
    model, tokens = _network(**FORMS[form]), examples(100)
    model.matmul_dtype = dtype
    if fixed:
        tokens[:, -1] = V - 1
        model.alphabets = [*[range(V)] * (T - 1), [V - 1]]
    parameters = dict(model.named_parameters())
    logits, back = model.by_hand(parameters, tokens, read)
    wanted = model(tokens, read)
    assert not logits.requires_grad
    assert torch.equal(logits, wanted)
    found = back(_to_logits(logits))
    gradients = torch.autograd.grad(wanted, list(parameters.values()), _to_logits(logits))
    assert list(found) == list(parameters)
    for name, gradient in zip(parameters, gradients, strict=True):
        assert torch.equal(found[name], gradient), name


def test_tables_are_held_for_other_examples():
    model, read = _network(), (T - 1,)
    with torch.no_grad():
        wanted = model(examples(90), read)
        with model.holding():
            model.by_hand(dict(model.named_parameters()), examples(100), read)
            assert len(model.held) == 1
            assert torch.equal(model(examples(90), read), wanted)
            assert len(model.held) == 1


@pytest.mark.parametrize("changes", [{"activation": "gelu"}, {"n_layers": 2}], ids=str)
def test_networks_of_another_form_have_no_such_way(changes: dict[str, Any]):
    model = _network(**changes)
    assert model.by_hand(dict(model.named_parameters()), examples(100), (T - 1,)) is None


def test_nor_have_few_examples_nor_float64_nor_a_reference_before_the_end():
    model, read = _network(), (T - 1,)
    parameters = dict(model.named_parameters())
    assert model.by_hand(parameters, examples(V - 1), read) is None
    model.loops = False
    assert model.by_hand(parameters, examples(100), read) is None
    first, tokens = _network(), examples(100)
    tokens[:, 0] = V - 1
    first.alphabets = [[V - 1], *[range(V)] * (T - 1)]
    assert first.by_hand(dict(first.named_parameters()), tokens, read) is None
    exact = _network().double()
    exact.matmul_dtype = torch.float64
    assert exact.by_hand(dict(exact.named_parameters()), examples(100), read) is None
