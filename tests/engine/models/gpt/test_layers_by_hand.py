"""Several layers with a way back put together by hand, against the plain pass in float64."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.models.gpt.settings import WIDEST, GPTSettings
from engine.models.prefixes import Prefixes
from engine.models.universal.settings import UniversalSettings
from tests.engine.kernels.threads import threads
from tests.engine.models.gpt.ways import noting, then, to_logits, way_of
from tests.engine.models.samples import READS, T, V, network

SMALL: dict[str, Any] = {"n_layers": 2, "d_model": 16, "n_heads": 4, "d_mlp": 24, "norm": "pre"}
FORMS: dict[str, dict[str, Any]] = {
    "grokfast": {"activation": "gelu", "attention_bias": True},
    "facts": {"n_layers": 4, "d_model": 32, "d_mlp": 64},
    "as GPT-2": {"activation": "gelu_tanh", "attention_bias": True, "tied": True, "init": "gpt2"},
    "without norms": {"norm": "none"},
    "without biases": {"mlp_bias": False},
    "tied, without norms": {"tied": True, "norm": "none"},
    "without positions": {"positions": "none"},
    "sinusoidal": {"positions": "sinusoidal"},
    "three layers, odd widths": {"n_layers": 3, "d_model": 18, "n_heads": 3, "d_mlp": 31},
}
DTYPES = [torch.float32, torch.bfloat16]


def _network(dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    model = network(GPTSettings(**(SMALL | changes))).float()
    model.loops, model.matmul_dtype = True, dtype
    return model


def _tokens(n: int, seed: int = 1) -> Tensor:
    """Rows over few tokens, so that most of their prefixes occur several times."""
    tokens = torch.randint(V, (n, T), generator=torch.Generator().manual_seed(seed))
    tokens[:, :3] %= 3
    return tokens


def _plain(form: dict[str, Any], tokens: Tensor, read: tuple[int, ...]) -> tuple[Tensor, Any]:
    model = network(GPTSettings(**(SMALL | form)))
    model.savings = False
    logits = model(tokens, read).flatten(0, 1)
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(logits, parameters, to_logits(logits.float()).double())
    return logits.detach(), dict(zip(names, gradients, strict=True))


def _off(found: Tensor, wanted: Tensor) -> float:
    return float((found.double() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("read", READS, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_logits_and_gradients_are_those_of_the_plain_pass(
    form: str, read: tuple[int, ...], dtype: torch.dtype
):
    model = _network(dtype, **FORMS[form])
    way, found = way_of(model, read)
    # what a step of more examples has left is written over
    for n in (90, 60):
        passed = way(_tokens(n), then)
        passed.back()
    logits, gradients = _plain(FORMS[form], _tokens(60), read)
    by_torch, gradients_by_torch = _by_torch(model, _tokens(60), read)
    # as near as torch's products of that type; in bfloat16 a few numbers cross the ReLU's corner
    assert _off(passed.logits, logits) < 2 * _off(by_torch, logits)
    most = max(_off(gradients_by_torch[name], own) for name, own in gradients.items())
    for name, own in gradients.items():
        assert _off(found[name], own) < 2 * most, name


def _by_torch(
    model: Any, tokens: Tensor, read: tuple[int, ...]
) -> tuple[Tensor, dict[str, Tensor]]:
    """What operations of torch give in the same precision."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    logits = model(tokens, read).flatten(0, 1)
    gradients = torch.autograd.grad(logits, parameters, to_logits(logits))
    return logits.detach(), dict(zip(names, gradients, strict=True))


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_a_step_gives_the_same_bits_again(n_threads: int):
    model, read = _network(**FORMS["facts"]), (T - 1,)
    with threads(n_threads):
        way, found = way_of(model, read)
        way(_tokens(60), then).back()
        first = {name: x.clone() for name, x in found.items()}
        way(_tokens(90, seed=3), then).back()
        way(_tokens(60), then).back()
    assert all(torch.equal(first[name], found[name]) for name in found)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_change_logits_by_nothing_and_gradients_by_rounding(n_threads: int):
    model, read = _network(**FORMS["grokfast"]), (1, 3)
    way, alone = way_of(model, read)
    wanted = way(_tokens(60), then)
    logits = wanted.logits.clone()
    wanted.back()
    with threads(n_threads):
        way, found = way_of(model, read)
        passed = way(_tokens(60), then)
        passed.back()
    assert torch.equal(passed.logits, logits)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, alone[name], rtol=1e-3, atol=1e-5)


def _stepped(n_threads: int, tokens: Tensor, before: Tensor | None = None) -> dict[str, Tensor]:
    """Gradients of a step, perhaps after one of other examples."""
    model, read = _network(**FORMS["facts"]), (T - 1,)
    with threads(n_threads):
        way, found = way_of(model, read)
        if before is not None:
            way(before, then).back()
        way(tokens, then).back()
    return found


def test_threads_without_a_share_leave_nothing_of_an_earlier_step():
    few = _tokens(10).repeat(3, 1)  # of which one thread takes all that look at the end
    wanted, found = _stepped(1, few), _stepped(3, few, before=_tokens(90))
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=str)
def test_a_thread_may_be_far_ahead_of_another(
    order: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
):
    wanted = _stepped(2, _tokens(60))

    def one_by_one(part: Callable[[int], None], n: int) -> None:
        for thread in order[:n] if n > 1 else (0,):
            part(thread)

    monkeypatch.setattr("engine.kernels.threads._together", one_by_one)
    found = _stepped(2, _tokens(60))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("read", READS, ids=str)
def test_an_evaluation_gives_the_logits_of_a_step(read: tuple[int, ...], dtype: torch.dtype):
    model, tokens = _network(dtype, **FORMS["facts"]), _tokens(60)
    way, _ = way_of(model, read)
    logits = way(tokens, then).logits.clone()
    with torch.no_grad():
        assert torch.equal(model(tokens, read).flatten(0, 1), logits)


def test_runs_of_one_network_do_not_disturb_each_other():
    model, read = _network(), (T - 1,)
    parameters = {name: x.detach() for name, x in model.named_parameters()}
    runs = [{name: x * by for name, x in parameters.items()} for by in (1.0, 1.5)]
    alone, found = (
        [{n: torch.empty_like(x) for n, x in run.items()} for run in runs] for _ in "ab"
    )
    for run, to in zip(runs, alone, strict=True):
        model.by_hand(run, to, read)(_tokens(60), then).back()
    ways = [model.by_hand(run, to, read) for run, to in zip(runs, found, strict=True)]
    for _ in range(2):
        for way in ways:
            way(_tokens(60), then).back()
    for own, wanted in zip(found, alone, strict=True):
        assert all(torch.equal(own[name], wanted[name]) for name in own)


@pytest.mark.parametrize(
    "changes", [{"norm": "post"}, {"d_model": WIDEST + 4}, {"d_mlp": 4 * WIDEST + 1}], ids=str
)
def test_layers_of_another_form_have_no_such_way(changes: dict[str, Any]):
    assert way_of(_network(**changes), (T - 1,))[0] is None


def test_nor_have_rows_that_share_little_nor_float64_nor_layers_in_loops():
    model, read = _network(), (T - 1,)
    way, _ = way_of(model, read)
    few = torch.stack([torch.arange(V)] * T, 1)
    assert not Prefixes(few).pays
    assert way(few, then) is None
    model.loops = False
    assert way(_tokens(60), then) is None
    exact = _network().double()
    exact.matmul_dtype = torch.float64
    assert way_of(exact, read)[0] is None
    looped = network(UniversalSettings(**SMALL, n_loops=2)).float()
    looped.loops, looped.matmul_dtype = True, torch.float32
    assert way_of(looped, read)[0] is None


@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_follows_takes_each_row_once_when_its_logits_are_there(n_threads: int):
    model, read, tokens = _network(), (1, T - 1), _tokens(60)
    with torch.no_grad():
        wanted = model(tokens, read).flatten(0, 1)
    taken, seen = torch.zeros(len(wanted)), torch.zeros_like(wanted)

    with threads(n_threads):
        way_of(model, read)[0](tokens, noting(taken, seen))
    assert taken.eq(1).all()
    assert torch.equal(seen, wanted)
