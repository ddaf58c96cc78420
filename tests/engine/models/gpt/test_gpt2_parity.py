"""Whether the pre-norm variant is GPT-2, as `transformers` computes it."""

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from engine.models import GPTSettings
from engine.models.gpt.network import GPT
from tests.engine.models.agreement import gradient_agrees, logits_agree, relative

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


def ours(reference: GPT2LMHeadModel) -> GPT:
    model = GPT(SETTINGS, vocab_size=V, length=T)
    model.load_state_dict(reference.state_dict(), strict=True)
    return model


def test_logits_equal_those_of_transformers(reference: GPT2LMHeadModel, tokens: Tensor):
    expected = reference(tokens).logits
    found = ours(reference)(tokens, tuple(range(T)))
    logits_agree("gpt", found, expected)


def test_gradients_equal_those_of_transformers(reference: GPT2LMHeadModel, tokens: Tensor):
    weights = torch.randn(len(tokens), T, V, generator=torch.Generator().manual_seed(2))
    model = ours(reference)
    (reference(tokens).logits * weights).sum().backward()
    (model(tokens, tuple(range(T))) * weights).sum().backward()
    theirs = dict(reference.named_parameters())
    for name, parameter in model.named_parameters():
        gradient_agrees("gpt", name, parameter.grad, theirs[name].grad)


def test_attention_equals_that_of_transformers(reference: GPT2LMHeadModel, tokens: Tensor):
    expected = torch.stack(reference(tokens, output_attentions=True).attentions)
    torch.testing.assert_close(ours(reference).attention(tokens), expected, rtol=1e-5, atol=1e-6)


def test_the_tied_variant_equals_tied_transformers(reference: GPT2LMHeadModel, tokens: Tensor):
    reference.lm_head.weight = reference.transformer.wte.weight
    model = GPT(SETTINGS.model_copy(update={"tied": True}), vocab_size=V, length=T)
    state = reference.state_dict()
    del state["lm_head.weight"]
    model.load_state_dict(state, strict=True)
    expected = reference(tokens).logits
    assert relative(model(tokens, tuple(range(T))) - expected, expected) < 1e-5
