"""Whether our RWKV-4 is the one of `transformers`."""

import pytest
import torch
from transformers import RwkvConfig, RwkvForCausalLM

from engine.models import RWKV4Settings
from tests.engine.models.recurrent.parity import compare, counted_flops, ours, perturb, rows

V = 23
SETTINGS = RWKV4Settings(n_layers=3, d_model=24, d_mlp=40)


@pytest.fixture
def reference() -> RwkvForCausalLM:
    torch.manual_seed(0)
    config = RwkvConfig(
        vocab_size=V,
        hidden_size=SETTINGS.d_model,
        num_hidden_layers=SETTINGS.n_layers,
        intermediate_size=SETTINGS.d_mlp,
        rescale_every=0,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = RwkvForCausalLM(config)
    perturb(model)
    return model


@pytest.mark.parametrize(("n_examples", "T"), [(6, 11), (40, 11), (6, 3)])
def test_logits_and_gradients_equal_those_of_transformers(
    reference: RwkvForCausalLM, n_examples: int, T: int
):
    tokens = rows(n_examples, T, V)
    model = ours(SETTINGS, reference.state_dict(), vocab_size=V, length=T)
    compare(model, reference(tokens, use_cache=False).logits, reference, tokens)


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("read", [(4,), (2, 4)])
def test_flops_are_those_of_one_more_example(n_layers: int, read: tuple[int, ...]):
    settings = RWKV4Settings(n_layers=n_layers, d_model=24, d_mlp=40)
    counted = counted_flops(settings, vocab_size=13, length=5, read=read)
    assert settings.flops_per_example(13, 5, len(read)) == counted
