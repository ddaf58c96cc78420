"""One layer without norms by tables and loops, against the plain forward pass."""

from collections import defaultdict
from typing import Any

import pytest
import torch
from torch.func import functional_call

from engine.models.gpt.settings import GPTSettings
from tests.engine.models.samples import READS, T, V, examples, gradients, network

FORMS: dict[str, dict[str, Any]] = {
    "folded": {"d_mlp": 48},
    "a narrow hidden layer": {"d_mlp": 6},
    "with biases": {"attention_bias": True, "d_mlp": 48},
    "a narrow hidden layer with biases": {"attention_bias": True, "d_mlp": 6},
    "without biases": {"mlp_bias": False, "d_mlp": 48},
    "gelu": {"activation": "gelu", "d_mlp": 48},
    "tied": {"tied": True, "d_mlp": 48},
    "without positions": {"positions": "none"},
    "sinusoidal": {"positions": "sinusoidal"},
    "one head": {"n_heads": 1},
}


def _network(form: str) -> Any:
    settings = GPTSettings(d_model=16, **({"n_heads": 4, "d_mlp": 24} | FORMS[form]))
    model = network(settings)
    model._sums_rows = True  # so small a network gains nothing by it
    return model


def test_the_form_is_left_where_sums_over_many_tokens_cost_more():
    for length, gains in ((3, True), (96, False)):
        assert GPTSettings().sums_rows(114, length) is gains


@pytest.mark.parametrize("read", READS, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_loops_change_neither_values_nor_gradients(form: str, read: tuple[int, ...]):
    model, tokens = _network(form), examples(100)
    model.savings = False
    plain, plain_gradients = model(tokens, read), gradients(model, tokens, read)
    model.savings = model.loops = True
    assert not torch.equal(model(tokens, read), plain), "the loops were not used"
    torch.testing.assert_close(model(tokens, read), plain, rtol=1e-10, atol=1e-10)
    for name, gradient in gradients(model, tokens, read).items():
        torch.testing.assert_close(plain_gradients[name], gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("read", READS, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_in_float32_values_and_gradients_are_as_near_as_those_of_the_plain_pass(
    form: str, read: tuple[int, ...]
):
    model, tokens = _network(form), examples(100)
    exact, exact_gradients = model(tokens, read), gradients(model, tokens, read)
    model.float()
    model.loops, model.matmul_dtype = True, torch.float32
    torch.testing.assert_close(model(tokens, read).double(), exact, rtol=1e-5, atol=1e-5)
    for name, gradient in gradients(model, tokens, read).items():
        wanted = exact_gradients[name]
        assert (gradient - wanted).norm() <= 1e-5 * wanted.norm() + 1e-7, name


@pytest.mark.parametrize("form", FORMS)
def test_maps_of_the_loops_are_those_of_the_plain_pass(form: str):
    model, tokens = _network(form), examples(100)
    plain = model.attention(tokens)
    model.loops = True
    by_loops = model.attention(tokens)
    assert by_loops.shape == plain.shape
    assert not torch.equal(by_loops, plain), "the loops were not used"
    torch.testing.assert_close(by_loops, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_tables_that_are_held_change_neither_values_nor_gradients(form: str):
    model, tokens, other = _network(form), examples(100), examples(90)
    model.loops = True
    read, wanted = (1, T - 1), gradients(model, tokens, (1, T - 1))
    with torch.no_grad():
        expected = model(other, read)
    with model.holding():
        found = gradients(model, tokens, read)
        (tables,) = model.held.values()
        assert not tables.products.requires_grad
        with torch.no_grad():
            assert torch.equal(model(other, read), expected)
        assert model.held[next(iter(model.held))] is tables
        for name, gradient in gradients(model, tokens, read).items():
            assert torch.equal(gradient, wanted[name])
            assert torch.equal(found[name], wanted[name])


def test_other_weights_and_other_positions_have_tables_of_their_own():
    model, tokens = _network("folded"), examples(100)
    others = {name: 2 * p.detach() for name, p in model.named_parameters()}
    model.loops = True
    with torch.no_grad():
        wanted = [functional_call(model, others, (tokens, read)) for read in READS]
        with model.holding():
            for read in READS:
                model(tokens, read)
            found = [functional_call(model, others, (tokens, read)) for read in READS]
            assert len(model.held) == 2 * len(READS)
        assert model.held is None
        with model.holding():
            assert not model.held
    assert all(map(torch.equal, found, wanted))


def test_rows_that_never_occur_are_left_out_without_changing_a_value():
    tokens = examples(100)
    tokens[:, 1] = tokens[:, 1] % 3
    tokens[:, -1] = V - 1
    plain = _network("folded")
    few = _network("folded")
    few.loops, few.alphabets = True, [*[range(V)] * (T - 1), [V - 1]]
    few.alphabets[1] = range(3)
    read = (T - 1,)
    torch.testing.assert_close(few(tokens, read), plain(tokens, read), rtol=1e-10, atol=1e-10)
    for name, gradient in gradients(few, tokens, read).items():
        wanted = gradients(plain, tokens, read)[name]
        torch.testing.assert_close(gradient, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("fixed", "read", "reference"),
    [
        ((0,), (1, T - 1), 0),
        ((0, 1), (1, T - 1), 1),
        ((0, T - 1), (1, T - 1), 0),  # the first of the read positions cannot see the last
        ((T - 1,), (T - 1,), T - 1),
        ((T - 1,), (1, T - 1), None),
    ],
)
def test_a_token_that_all_examples_see_is_not_summed(
    form: str, fixed: tuple[int, ...], read: tuple[int, ...], reference: int | None
):
    model, tokens = _network(form), examples(100)
    tokens[:, fixed] = V - 1
    plain, wanted = model(tokens, read), gradients(model, tokens, read)
    model.alphabets = [[V - 1] if t in fixed else range(V) for t in range(T)]
    model.loops = True
    torch.testing.assert_close(model(tokens, read), plain, rtol=1e-10, atol=1e-10)
    for name, gradient in gradients(model, tokens, read).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-9, atol=1e-9)
    found = model._rows.reference(read)
    assert (found and found.position) == reference
    n_summed = model._rows.looked_up(tokens, read).by_head.shape[1]
    assert n_summed == (T - (reference is not None)) * model.settings.n_heads


def test_a_token_outside_its_alphabet_is_refused():
    model = _network("folded")
    model.loops, model.alphabets = True, [range(V - 1)] * T
    with pytest.raises(IndexError):
        model(examples(100), (T - 1,))


def test_bfloat16_products_stay_near_float32():
    model = _network("folded").float()
    model.loops, model.matmul_dtype = True, torch.float32
    exact = model(examples(400), (T - 1,))
    model.matmul_dtype = torch.bfloat16
    coarse = model(examples(400), (T - 1,))
    assert coarse.dtype == torch.float32
    error = (coarse - exact).abs().max() / exact.abs().max()
    assert 1e-5 < error < 0.05


def test_gradients_in_bfloat16_are_as_near_float32_as_those_of_the_plain_pass():
    by_loops, by_plain = defaultdict(list), defaultdict(list)
    tokens = examples(400)
    for seed in range(6):
        model = network(_network("folded").settings, seed=seed).float()
        model._sums_rows = True
        model.matmul_dtype = torch.float32
        exact = gradients(model, tokens, (T - 1,))
        model.matmul_dtype = torch.bfloat16
        plain = gradients(model, tokens, (T - 1,))
        model.loops = True
        for name, gradient in gradients(model, tokens, (T - 1,)).items():
            assert gradient.dtype == torch.float32
            by_loops[name].append((gradient - exact[name]).square().sum())
            by_plain[name].append((plain[name] - exact[name]).square().sum())
    for name, errors in by_loops.items():
        assert sum(errors) < 1.5 * sum(by_plain[name]), name
