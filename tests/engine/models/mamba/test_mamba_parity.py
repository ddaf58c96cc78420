"""Whether our Mamba is the one of `transformers`."""

import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM

from engine.models import MambaSettings
from tests.engine.models.recurrent.parity import (
    compare,
    counted_flops,
    ours,
    perturb,
    rows,
    stored_once,
)

V = 23
SETTINGS = MambaSettings(n_layers=2, d_model=24, d_state=8)


def reference(*, tied: bool) -> MambaForCausalLM:
    torch.manual_seed(0)
    config = MambaConfig(
        vocab_size=V,
        hidden_size=SETTINGS.d_model,
        num_hidden_layers=SETTINGS.n_layers,
        state_size=SETTINGS.d_state,
        use_mambapy=False,
        use_associative_scan=False,
        tie_word_embeddings=tied,
    )
    model = MambaForCausalLM(config)
    perturb(model)
    return model


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("n_examples", "T"), [(6, 11), (40, 11), (6, 2)])
def test_logits_and_gradients_equal_those_of_transformers(n_examples: int, T: int, *, tied: bool):
    theirs, tokens = reference(tied=tied), rows(n_examples, T, V)
    settings = SETTINGS.model_copy(update={"tied": tied})
    model = ours(settings, stored_once(theirs), vocab_size=V, length=T)
    compare(model, theirs(tokens).logits, theirs, tokens)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_flops_are_those_of_one_more_example(n_layers: int):
    settings = MambaSettings(n_layers=n_layers, d_model=24, d_state=5)
    counted = counted_flops(settings, vocab_size=13, length=5, read=(2, 4))
    assert settings.flops_per_example(13, 5, 2) == counted
