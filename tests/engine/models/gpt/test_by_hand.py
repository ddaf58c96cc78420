"""One layer's way back put together by hand, against the same loops joined by autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.models.gpt.settings import GPTSettings
from tests.engine.kernels.threads import threads
from tests.engine.models.gpt.ways import noting, then, to_logits, way_of
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
    way, found = way_of(model, read)
    # what a step of more examples, or of as many others, has left is written over
    for some in (tokens, tokens[:60], tokens[-60:], tokens):
        _equal(model, found, way(some, then), some, read)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.5
    _equal(model, found, way(tokens, then), tokens, read)


def _equal(model: Any, found: Any, by_hand: Any, tokens: Tensor, read: tuple[int, ...]) -> None:
    wanted, parameters = model(tokens, read), dict(model.named_parameters())
    assert torch.equal(by_hand.logits, wanted.flatten(0, 1))
    given = to_logits(wanted.flatten(0, 1)).view_as(wanted)
    gradients = torch.autograd.grad(wanted, list(parameters.values()), given)
    by_hand.back()
    for name, gradient in zip(parameters, gradients, strict=True):
        assert torch.equal(found[name], gradient), name


def test_runs_of_one_network_do_not_disturb_each_other():
    model, read = _network(), (T - 1,)
    tokens = examples(100)
    parameters = {name: x.detach() for name, x in model.named_parameters()}
    runs = [{name: x * by for name, x in parameters.items()} for by in (1.0, 2.0)]
    found = [{name: torch.empty_like(x) for name, x in run.items()} for run in runs]
    ways = [model.by_hand(run, to, read) for run, to in zip(runs, found, strict=True)]
    for way, n in zip(ways, (90, 100), strict=True):
        way(tokens[:n], then).back()
    for run, to, n in zip(runs, found, (90, 100), strict=True):
        with torch.no_grad():
            for name, x in model.named_parameters():
                x.copy_(run[name])
        wanted = model(tokens[:n], read)
        gradients = torch.autograd.grad(wanted, list(model.parameters()), to_logits(wanted))
        assert all(map(torch.equal, to.values(), gradients))


def test_tables_are_held_for_other_examples_of_each_run():
    model, read = _network(), (T - 1,)
    parameters = {name: x.detach() for name, x in model.named_parameters()}
    others = {name: x * 2 for name, x in parameters.items()}
    with torch.no_grad():
        wanted = model(examples(90), read)
        with model.holding():
            for run in (parameters, others):
                to = {name: torch.empty_like(x) for name, x in run.items()}
                model.by_hand(run, to, read)(examples(100), then)
            assert len(model.held) == 2
            assert torch.equal(model(examples(90), read), wanted)
            assert len(model.held) == 2


@pytest.mark.parametrize(
    "changes", [{"activation": "gelu"}, {"n_layers": 2, "norm": "post"}], ids=str
)
def test_networks_of_another_form_have_no_such_way(changes: dict[str, Any]):
    assert way_of(_network(**changes), (T - 1,))[0] is None


def test_nor_have_few_examples_nor_float64_nor_a_reference_before_the_end():
    model, read = _network(), (T - 1,)
    way, _ = way_of(model, read)
    assert way(examples(100), then) is not None
    assert way(examples(V - 1), then) is None
    model.loops = False
    assert way(examples(100), then) is None
    first = _network()
    first.alphabets = [[V - 1], *[range(V)] * (T - 1)]
    assert way_of(first, read)[0] is None
    exact = _network().double()
    exact.matmul_dtype = torch.float64
    assert way_of(exact, read)[0] is None


def test_nor_have_weights_that_do_not_lie_row_by_row():
    model, read = _network(), (T - 1,)
    parameters = {name: x.detach() for name, x in model.named_parameters()}
    turned = {name: x.T.contiguous().T if x.dim() == 2 else x for name, x in parameters.items()}
    assert model.by_hand(turned, parameters, read) is None


@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_follows_takes_each_row_once_when_its_logits_are_there(n_threads: int):
    model, read, tokens = _network(), (T - 1,), examples(100)
    wanted = model(tokens, read).flatten(0, 1).detach()
    taken, seen = torch.zeros(len(wanted)), torch.zeros_like(wanted)

    with threads(n_threads):
        way_of(model, read)[0](tokens, noting(taken, seen))
    assert taken.eq(1).all()
    assert torch.equal(seen, wanted)
