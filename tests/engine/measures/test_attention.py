"""Whether attention snapshots show what the network does."""

import numpy as np
import pytest
import torch
from torch.func import stack_module_state

from data import ModularSettings, build_task
from engine.measures.attention import attention_maps, by_head, probe
from engine.models import GPTSettings
from engine.models.gpt.network import GPT

TASK = build_task(ModularSettings(p=13), seed=0)
TOKENS = torch.from_numpy(probe(TASK, 40))


def network(seed: int) -> GPT:
    settings = GPTSettings(n_layers=2, d_model=12, n_heads=3, d_mlp=8)
    model = GPT(settings, vocab_size=TASK.vocab_size, length=TASK.length)
    model.reset(torch.Generator().manual_seed(seed))
    return model


def test_the_mean_and_the_examples_are_those_of_the_network():
    model = network(0)
    with torch.no_grad():
        found = attention_maps(model, dict(model.named_parameters()), TOKENS, n_examples=4)
        expected = model.attention(TOKENS)
    assert found.mean.shape == (2, 3, 3, 3)
    assert found.examples.shape == (2, 3, 4, 3, 3)
    torch.testing.assert_close(found.mean, expected.mean(1))
    torch.testing.assert_close(found.examples[:, :, 2], expected[:, 2])


def test_other_parameters_than_the_networks_own_are_used():
    model, other = network(0), network(1)
    with torch.no_grad():
        found = attention_maps(model, dict(other.named_parameters()), TOKENS)
        torch.testing.assert_close(found.mean, other.attention(TOKENS).mean(1))


def test_stacked_runs_are_measured_together():
    models = [network(seed) for seed in range(3)]
    stacked, _ = stack_module_state(models)
    with torch.no_grad():
        together = torch.vmap(lambda parameters: attention_maps(models[0], parameters, TOKENS))(
            stacked
        )
        for run, model in enumerate(models):
            alone = attention_maps(model, dict(model.named_parameters()), TOKENS)
            torch.testing.assert_close(together.mean[run], alone.mean)


def test_each_head_has_a_float32_map_whose_rows_sum_to_one():
    model = network(0)
    heads = by_head(attention_maps(model, dict(model.named_parameters()), TOKENS))
    assert set(heads) == {(layer, head) for layer in range(2) for head in range(3)}
    for array in heads.values():
        assert array.dtype == np.float32
        assert array.sum(-1) == pytest.approx(1.0)


def test_probe_examples_are_held_out_and_the_same_every_time():
    trained = {tuple(row) for row in TASK.splits["train"].tokens.tolist()}
    assert not trained & {tuple(row) for row in TOKENS.tolist()}
    assert np.array_equal(probe(TASK, 40), probe(TASK, 40))


def test_a_small_split_is_a_small_probe():
    assert len(probe(TASK)) == len(TASK.splits["test"]) < 512
