"""Whether our Mamba-2 is the one of `transformers`."""

import pytest
import torch
from transformers import Mamba2Config, Mamba2ForCausalLM

from engine.models import Mamba2Settings
from tests.engine.models.recurrent.parity import (
    compare,
    counted_flops,
    ours,
    perturb,
    rows,
    stored_once,
)

V = 23


def reference(settings: Mamba2Settings, length: int) -> Mamba2ForCausalLM:
    torch.manual_seed(0)
    config = Mamba2Config(
        vocab_size=V,
        hidden_size=settings.d_model,
        num_hidden_layers=settings.n_layers,
        state_size=settings.d_state,
        num_heads=settings.n_heads,
        head_dim=settings.d_inner // settings.n_heads,
        n_groups=settings.n_groups,
        chunk_size=length,
        tie_word_embeddings=settings.tied,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = Mamba2ForCausalLM(config)
    perturb(model)
    return model


@pytest.mark.parametrize(("n_groups", "tied"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize(("n_examples", "T"), [(6, 11), (40, 11), (6, 64), (6, 3)])
def test_logits_and_gradients_equal_those_of_transformers(
    n_groups: int, n_examples: int, T: int, *, tied: bool
):
    settings = Mamba2Settings(
        n_layers=2, d_model=24, n_heads=4, d_state=8, n_groups=n_groups, tied=tied
    )
    theirs, tokens = reference(settings, T), rows(n_examples, T, V)
    model = ours(settings, stored_once(theirs), vocab_size=V, length=T)
    compare(model, theirs(tokens).logits, theirs, tokens)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_flops_are_those_of_one_more_example(n_layers: int):
    settings = Mamba2Settings(n_layers=n_layers, d_model=24, n_heads=4, n_groups=2, d_state=5)
    counted = counted_flops(settings, vocab_size=13, length=5, read=(2, 4))
    assert settings.flops_per_example(13, 5, 2) == counted


def test_heads_that_do_not_fit_are_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"n_heads must divide .* \(24\), got 5; .* 3, 4, 6"):
        Mamba2Settings(d_model=12, n_heads=5)
    with pytest.raises(ValueError, match=r"n_groups must divide n_heads \(4\), got 3; .* 1, 2, 4"):
        Mamba2Settings(d_model=12, n_heads=4, n_groups=3)
