"""What every registered network owes the trainer."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state

from engine.models.build import NETWORKS
from tests.engine.models.samples import READS, SETTINGS, T, V, examples, gradients, network

every_model = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
every_read = pytest.mark.parametrize("read", READS, ids=str)
# under the vocabulary, above it, and so many that query-key products come from a table
every_batch = pytest.mark.parametrize("n_examples", [7, 12, 400])


def test_every_network_is_tried_here():
    assert {settings.kind for settings in SETTINGS.values()} == set(NETWORKS)


@every_model
@every_read
@every_batch
def test_savings_change_neither_values_nor_gradients(
    settings: Any, read: tuple[int, ...], n_examples: int
):
    model, tokens = network(settings), examples(n_examples)
    saved, saved_gradients = model(tokens, read), gradients(model, tokens, read)
    model.savings = False
    torch.testing.assert_close(saved, model(tokens, read), rtol=1e-10, atol=1e-10)
    for name, gradient in gradients(model, tokens, read).items():
        torch.testing.assert_close(saved_gradients[name], gradient, rtol=1e-9, atol=1e-9)


@every_model
@every_batch
def test_changing_a_token_leaves_earlier_logits_alone(settings: Any, n_examples: int):
    model, tokens, everywhere = network(settings), examples(n_examples), tuple(range(T))
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % V
    before, after = model(tokens, everywhere), model(changed, everywhere)
    torch.testing.assert_close(before[:, :3], after[:, :3], rtol=0, atol=1e-12)
    assert (before[:, 3:] - after[:, 3:]).abs().amax(-1).min() > 1e-6


@every_model
@every_read
def test_reading_fewer_positions_gives_the_same_logits_there(settings: Any, read: tuple[int, ...]):
    model, tokens = network(settings), examples(12)
    everything = model(tokens, tuple(range(T)))
    torch.testing.assert_close(
        model(tokens, read), everything[:, list(read)], rtol=1e-10, atol=1e-10
    )


@every_model
@every_batch
def test_every_parameter_gets_a_gradient(settings: Any, n_examples: int):
    for name, gradient in gradients(network(settings), examples(n_examples), (T - 1,)).items():
        assert gradient.abs().sum() > 0, name


@every_model
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(settings: Any):
    first, again, other = (network(settings, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)


@every_model
def test_building_and_resetting_leave_the_global_generator_alone(settings: Any):
    before = torch.get_rng_state()
    network(settings)
    assert torch.equal(before, torch.get_rng_state())


@every_model
def test_parameters_are_counted_without_building(settings: Any):
    counted = sum(parameter.numel() for parameter in network(settings).parameters())
    assert settings.n_parameters(V, T) == counted


@every_model
@pytest.mark.parametrize("n_examples", [7, 400])
def test_three_stacked_models_equal_three_separate_ones(settings: Any, n_examples: int):
    models = [network(settings, seed=seed) for seed in range(3)]
    stacked, _ = stack_module_state(models)
    tokens = torch.stack([examples(n_examples).roll(run, 0) for run in range(3)])
    base = models[0]

    def loss(parameters: dict[str, Tensor], tokens: Tensor) -> Tensor:
        return functional_call(base, parameters, (tokens, (T - 1,))).tanh().square().sum()

    together = torch.vmap(torch.func.grad(loss))(stacked, tokens)
    for run, model in enumerate(models):
        parameters = dict(model.named_parameters())
        alone = torch.autograd.grad(loss(parameters, tokens[run]), list(parameters.values()))
        for name, gradient in zip(parameters, alone, strict=True):
            torch.testing.assert_close(together[name][run], gradient, rtol=1e-8, atol=1e-10)


@pytest.mark.timeout(1300)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param((), marks=pytest.mark.long),
        pytest.param(("--whole",), marks=pytest.mark.slow),
    ],
)
def test_forward_and_backward_compile_without_a_graph_break(how: tuple[str, ...]):
    """In a process of its own: the checks of shapes, on in the tests, are no part of a graph."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.models.compile_all", *how],
        check=False,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == list(SETTINGS)


@pytest.mark.parametrize(
    "settings", [each for each in SETTINGS.values() if network(each).has_maps], ids=str
)
def test_attention_rows_are_distributions_over_the_past(settings: Any):
    maps = network(settings).attention(examples(6))
    assert maps.shape[1] == 6
    assert maps.shape[3:] == (T, T)
    torch.testing.assert_close(maps.sum(-1), torch.ones_like(maps.sum(-1)))
    assert maps.triu(1).abs().max() == 0
    assert maps.min() >= 0


@every_model
def test_bfloat16_products_stay_near_float32(settings: Any):
    model, tokens = network(settings).float(), examples(400)
    model.matmul_dtype = torch.float32
    exact = model(tokens, (T - 1,))
    model.matmul_dtype = torch.bfloat16
    coarse = model(tokens, (T - 1,))
    assert coarse.dtype == torch.float32
    error = (coarse - exact).abs().max() / exact.abs().max()
    assert 1e-5 < error < 0.05
    assert all(p.dtype == torch.float32 for p in model.parameters())


@every_model
def test_float32_stays_near_float64_on_64_tokens_that_repeat(settings: Any):
    """Equal tokens give equal keys, at which sums over a row and inverses are known to break."""
    double, single = (network(settings, length=64) for _ in range(2))
    single = single.float()
    single.matmul_dtype = torch.float32
    tokens = torch.randint(V, (3, 64), generator=torch.Generator().manual_seed(3))
    tokens[0], tokens[1, 5:] = 4, 2
    found, expected = single(tokens, (3, 63)), double(tokens, (3, 63))
    assert (found - expected).abs().max() <= 1e-3 * expected.abs().max()
    exact = gradients(double, tokens, (3, 63))
    largest = max(gradient.abs().max() for gradient in exact.values())
    for name, gradient in gradients(single, tokens, (3, 63)).items():
        # a norm of what nearly cancels, as RetNet's heads have, costs digits: 1e-3 was seen
        assert (gradient - exact[name]).abs().max() <= 5e-3 * largest, name
