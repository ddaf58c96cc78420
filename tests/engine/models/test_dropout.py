"""What is left out, how much of it, where, and that it is torch's dropout given what is left."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from transformers import GPT2Config, GPT2LMHeadModel

from engine.kernels.hashed import even_by_loops
from engine.models import GPTSettings
from engine.models.dropout import Dropout, chosen, even, places
from engine.models.gpt.network import GPT
from tests.engine.models.samples import SETTINGS, T, V, examples, network

KEY = torch.tensor(3_000_000_019)


def dropped(x: Tensor, *, rate: float, key: Tensor = KEY) -> Tensor:
    return functional_call(Dropout(), {"key": key, "rate": torch.tensor(rate)}, (x,))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_is_left_out_and_the_rest_scaled_as_torch_scales_it(rate: float):
    x = torch.randn(64, 5, 64, generator=torch.Generator().manual_seed(0))
    found = dropped(x, rate=rate)
    gone = found == 0
    assert gone.float().mean() == pytest.approx(rate, abs=0.01)
    scale = nn.functional.dropout(torch.ones(10_000), rate).max()
    torch.testing.assert_close(found, torch.where(gone, 0.0, x * scale))


def test_a_share_of_nothing_changes_nothing():
    x = torch.randn(4, 3, 8)
    assert torch.equal(dropped(x, rate=0.0), x)
    assert torch.equal(Dropout()(x), x)


def test_numbers_are_even_and_those_of_near_keys_and_places_know_nothing_of_each_other():
    shape = torch.Size([100_000])
    drawn = [even(KEY + offset, shape, KEY.device) for offset in range(3)]
    counts = torch.histc(drawn[0], bins=20, min=0, max=1)
    assert counts.min() > 0.93 * counts.mean()
    pairs = torch.corrcoef(torch.stack([*drawn, drawn[0].roll(1), drawn[0].roll(64)]))
    assert pairs.fill_diagonal_(0).abs().max() < 0.015


@pytest.mark.parametrize("key", [0, 1, 3_000_000_019, 2**32 - 1])
def test_the_loop_gives_the_numbers_of_torch_to_the_bit(key: int):
    shape = torch.Size([7, 3, 1001])
    assert torch.equal(even_by_loops(key, shape), even(torch.tensor(key), shape, KEY.device))


def test_what_is_left_is_the_same_by_the_loop():
    x = torch.randn(5, 3, 40, generator=torch.Generator().manual_seed(0))
    by_loops = Dropout()
    by_loops.loops = True
    found = functional_call(by_loops, {"key": KEY, "rate": torch.tensor(0.4)}, (x,))
    assert torch.equal(found, dropped(x, rate=0.4))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_network_has_places_that_leave_out_different_numbers(settings: Any):
    model, tokens = network(settings), examples(12)
    assert places(model)
    weights = dict(model.named_parameters())
    plain = functional_call(model, weights, (tokens, (T - 1,)))
    for name in places(model):
        one = dict(chosen([name], KEY, torch.tensor(0.5)))
        logits = functional_call(model, weights | one, (tokens, (T - 1,)))
        assert (logits - plain).abs().max() > 1e-6, name
    keys = [key for name, key in chosen(places(model), KEY, torch.tensor(0.5)) if "key" in name]
    assert len({int(key) for key in keys}) == len(keys)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_runs_with_rates_and_keys_of_their_own_equal_the_same_runs_alone(settings: Any):
    models = [network(settings, seed=seed) for seed in range(2)]
    stacked, _ = stack_module_state(models)
    tokens, names = torch.stack([examples(7), examples(7).roll(1, 0)]), places(models[0])
    keys, rates = torch.tensor([7, 2**32 - 1]), torch.tensor([0.0, 0.4])

    def logits(weights: dict[str, Tensor], tokens: Tensor, key: Tensor, rate: Tensor) -> Tensor:
        chance = dict(chosen(names, key, rate))
        return functional_call(models[0], weights | chance, (tokens, (1, T - 1)))

    together = torch.vmap(logits)(stacked, tokens, keys, rates)
    for run, model in enumerate(models):
        alone = logits(dict(model.named_parameters()), tokens[run], keys[run], rates[run])
        torch.testing.assert_close(together[run], alone, rtol=1e-9, atol=1e-9)


class _Mask(nn.Module):
    """In the place of torch's dropout: leaves out what ours leaves out."""

    def __init__(self, key: Tensor, rate: float) -> None:
        super().__init__()
        self.key, self.rate = key, rate

    def forward(self, x: Tensor) -> Tensor:
        return dropped(x, rate=self.rate, key=self.key)


def test_what_is_left_is_gpt2_with_its_residual_dropout():
    settings = GPTSettings(
        n_layers=2,
        d_model=16,
        n_heads=2,
        d_mlp=24,
        norm="pre",
        activation="gelu_tanh",
        attention_bias=True,
    )
    config = GPT2Config(
        vocab_size=V,
        n_positions=T,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_inner=24,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    reference, ours = GPT2LMHeadModel(config), GPT(settings, vocab_size=V, length=T)
    ours.load_state_dict(reference.state_dict())
    rate, names, tokens = 0.3, places(ours), examples(6)
    chance = dict(chosen(names, KEY, torch.tensor(rate)))
    for number, block in enumerate(reference.transformer.h):
        block.attn.resid_dropout = _Mask(chance[f"transformer.h.{number}.drop_1.key"], rate)
        block.mlp.dropout = _Mask(chance[f"transformer.h.{number}.drop_2.key"], rate)
    weights = dict(ours.named_parameters())
    found = functional_call(ours, weights | chance, (tokens, tuple(range(T))))
    expected = reference(tokens).logits
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    plain = functional_call(ours, weights, (tokens, tuple(range(T))))
    assert (plain - expected).abs().max() > 1e-2 * expected.abs().max()
