"""Whether the pre-norm variant is GPT-2, as `transformers` computes it."""

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from engine.models import GPTSettings
from tests.engine.models.recurrent.parity import compare, ours, stored_once

V, T = 23, 9
SETTINGS = GPTSettings(
    n_layers=3,
    d_model=32,
    n_heads=4,
    d_mlp=80,
    norm="pre",
    activation="gelu_tanh",
    attention_bias=True,
    mlp_bias=True,
    init="gpt2",
)


@pytest.fixture
def reference() -> GPT2LMHeadModel:
    """GPT-2 with every parameter perturbed, so that biases and gains count."""
    config = GPT2Config(
        vocab_size=V,
        n_positions=T,
        n_embd=SETTINGS.d_model,
        n_layer=SETTINGS.n_layers,
        n_head=SETTINGS.n_heads,
        n_inner=SETTINGS.d_mlp,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
        attn_implementation="eager",
    )
    model = GPT2LMHeadModel(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            perturbed = 0.05 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(perturbed + (1.0 if ".ln_" in name and "weight" in name else 0.0))
    return model


@pytest.fixture(params=[16, 64], ids=["vocabulary over batch", "batch over vocabulary"])
def tokens(request: pytest.FixtureRequest) -> Tensor:
    return torch.randint(V, (request.param, T), generator=torch.Generator().manual_seed(1))


def test_logits_and_gradients_equal_those_of_transformers(
    reference: GPT2LMHeadModel, tokens: Tensor
):
    model = ours(SETTINGS, reference.state_dict(), vocab_size=V, length=T)
    compare(model, reference(tokens).logits, reference, tokens)


def test_the_tied_variant_equals_tied_transformers(reference: GPT2LMHeadModel, tokens: Tensor):
    reference.lm_head.weight = reference.transformer.wte.weight
    tied = SETTINGS.model_copy(update={"tied": True})
    model = ours(tied, stored_once(reference), vocab_size=V, length=T)
    compare(model, reference(tokens).logits, reference, tokens)


def test_attention_equals_that_of_transformers(reference: GPT2LMHeadModel, tokens: Tensor):
    expected = torch.stack(reference(tokens, output_attentions=True).attentions)
    found = ours(SETTINGS, reference.state_dict(), vocab_size=V, length=T).attention(tokens)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
