"""Whether the network is LLaMA, as `transformers` computes it."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from engine.models import LlamaSettings
from engine.models.llama.network import Llama
from tests.engine.models.recurrent.parity import compare, counted_flops, ours, stored_once

V, T = 23, 9
SETTINGS = {
    "own keys": LlamaSettings(n_layers=3, d_model=32, n_heads=4, d_mlp=40),
    "grouped": LlamaSettings(n_layers=2, d_model=32, n_heads=4, n_kv_heads=2, d_mlp=40),
    "one key head": LlamaSettings(n_layers=2, d_model=24, n_heads=3, n_kv_heads=1, rope_base=50.0),
}


def perturbed(settings: LlamaSettings, *, tied: bool = False) -> LlamaForCausalLM:
    """LLaMA with every parameter perturbed, so that gains count."""
    eager: dict[str, Any] = {"attn_implementation": "eager"}
    config = LlamaConfig(
        vocab_size=V,
        hidden_size=settings.d_model,
        intermediate_size=settings.d_mlp,
        num_hidden_layers=settings.n_layers,
        num_attention_heads=settings.n_heads,
        num_key_value_heads=settings.key_heads,
        max_position_embeddings=T,
        rope_parameters={"rope_type": "default", "rope_theta": settings.rope_base},
        rms_norm_eps=1e-6,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=0,
        **eager,
    )
    model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = 0.1 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(drawn + (1.0 if "norm" in name else 0.0))
    return model


@pytest.fixture(params=SETTINGS.values(), ids=list(SETTINGS))
def settings(request: pytest.FixtureRequest) -> LlamaSettings:
    return request.param


@pytest.fixture(params=[16, 64], ids=["vocabulary over batch", "batch over vocabulary"])
def tokens(request: pytest.FixtureRequest) -> Tensor:
    return torch.randint(V, (request.param, T), generator=torch.Generator().manual_seed(1))


def test_logits_and_gradients_equal_those_of_transformers(settings: LlamaSettings, tokens: Tensor):
    reference = perturbed(settings)
    model = ours(settings, reference.state_dict(), vocab_size=V, length=T)
    compare(model, reference(tokens).logits, reference, tokens)


def test_the_tied_variant_equals_tied_transformers(settings: LlamaSettings, tokens: Tensor):
    reference = perturbed(settings, tied=True)
    tied = settings.model_copy(update={"tied": True})
    model = ours(tied, stored_once(reference), vocab_size=V, length=T)
    compare(model, reference(tokens).logits, reference, tokens)


def test_attention_equals_that_of_transformers(settings: LlamaSettings, tokens: Tensor):
    reference = perturbed(settings)
    expected = torch.stack(reference(tokens, output_attentions=True).attentions)
    found = ours(settings, reference.state_dict(), vocab_size=V, length=T).attention(tokens)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_flops_are_those_of_one_more_example(settings: LlamaSettings):
    counted = counted_flops(settings, vocab_size=V, length=T, read=(2, 4))
    assert settings.flops_per_example(V, T, 2) == counted


def test_a_start_has_unit_gains_and_the_set_spread():
    model = Llama(LlamaSettings(init_scale=2.0), vocab_size=100, length=T)
    model.reset(torch.Generator().manual_seed(0))
    state = model.state_dict()
    assert float(state["model.embed_tokens.weight"].std()) == pytest.approx(0.04, rel=0.03)
    assert float(state["model.layers.1.mlp.down_proj.weight"].std()) == pytest.approx(0.04, 0.03)
    assert float(state["model.layers.0.input_layernorm.weight"].min()) == 1.0


def test_heads_that_do_not_fit_are_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"n_kv_heads must divide n_heads \(6\) .* got 4; .*2, 3"):
        LlamaSettings(d_model=12, n_heads=6, n_kv_heads=4)
    with pytest.raises(ValueError, match=r"even width, got 4; possible are 1, 2, 3, 6"):
        LlamaSettings(d_model=12, n_heads=4)
