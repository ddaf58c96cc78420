"""Whether the other variants are what their sources describe, and how they start."""

from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from engine.models import GPTSettings
from engine.models.gpt.network import GPT
from tests.engine.models.agreement import gradients_agree, logits_agree
from tests.engine.models.recurrent.parity import perturb, rows


def made(settings: GPTSettings, *, vocab_size: int, length: int, seed: int = 0) -> GPT:
    model = GPT(settings, vocab_size=vocab_size, length=length)
    model.reset(torch.Generator().manual_seed(seed))
    return model


def nanda_logits(weights: dict[str, Tensor], tokens: Tensor, *, n_heads: int) -> Tensor:
    """Nanda's network written from his description: one head at a time, last position only."""
    embedded = weights["transformer.wte.weight"][tokens] + weights["transformer.wpe.weight"]
    W_Q, W_K, W_V = weights["transformer.h.0.attn.c_attn.weight"].chunk(3, dim=1)
    W_O = weights["transformer.h.0.attn.c_proj.weight"]
    last = embedded[:, -1]
    stream = last.clone()
    d_head = W_Q.shape[1] // n_heads
    for head in range(n_heads):
        part = slice(head * d_head, (head + 1) * d_head)
        q, k, v = last @ W_Q[:, part], embedded @ W_K[:, part], embedded @ W_V[:, part]
        attention = torch.einsum("bd,btd->bt", q, k).div(d_head**0.5).softmax(-1)
        stream = stream + torch.einsum("bt,btd->bd", attention, v) @ W_O[part]
    hidden = stream @ weights["transformer.h.0.mlp.c_fc.weight"]
    hidden = (hidden + weights["transformer.h.0.mlp.c_fc.bias"]).clamp(min=0)
    stream = stream + hidden @ weights["transformer.h.0.mlp.c_proj.weight"]
    stream = stream + weights["transformer.h.0.mlp.c_proj.bias"]
    return stream @ weights["lm_head.weight"].T


@pytest.mark.parametrize("n_examples", [9, 90])
def test_nandas_network_equals_its_description(n_examples: int):
    settings = GPTSettings(d_model=24, n_heads=3, d_mlp=40)
    model = made(settings, vocab_size=12, length=3)
    perturb(model, scale=0.1)
    tokens = rows(n_examples, 3, 12)
    found = model(tokens, (2,))[:, 0]
    expected = nanda_logits(dict(model.named_parameters()), tokens, n_heads=3)
    logits_agree("gpt", found, expected)
    gradients_agree("gpt", model, found, expected)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_norm_variants_equal_torch_encoder_layers(
    norm: Literal["pre", "post"], activation: Literal["relu", "gelu"]
):
    C, T, V = 16, 5, 7
    settings = GPTSettings(
        n_layers=2,
        d_model=C,
        n_heads=2,
        d_mlp=20,
        norm=norm,
        activation=activation,
        attention_bias=True,
    )
    model = made(settings, vocab_size=V, length=T)
    perturb(model, scale=0.1)
    state, tokens = dict(model.named_parameters()), rows(40, T, V)
    x = state["transformer.wte.weight"][tokens] + state["transformer.wpe.weight"]
    for layer in range(settings.n_layers):
        block = f"transformer.h.{layer}."
        own = {n.removeprefix(block): p for n, p in state.items() if n.startswith(block)}
        x = encoder_layer(settings, own, x)
    if norm == "pre":
        x = F.layer_norm(x, (C,), state["transformer.ln_f.weight"], state["transformer.ln_f.bias"])
    found, expected = model(tokens, tuple(range(T))), x @ state["lm_head.weight"].T
    logits_agree("gpt", found, expected)
    gradients_agree("gpt", model, found, expected)


def encoder_layer(settings: GPTSettings, block: dict[str, Tensor], x: Tensor) -> Tensor:
    """What torch's own layer gives with the weights of one of our blocks."""
    twin = nn.TransformerEncoderLayer(
        settings.d_model,
        settings.n_heads,
        settings.d_mlp,
        dropout=0.0,
        activation=settings.activation,
        norm_first=settings.norm == "pre",
        batch_first=True,
    )
    weights = {
        "self_attn.in_proj_weight": block["attn.c_attn.weight"].T,
        "self_attn.in_proj_bias": block["attn.c_attn.bias"],
        "self_attn.out_proj.weight": block["attn.c_proj.weight"].T,
        "self_attn.out_proj.bias": block["attn.c_proj.bias"],
        "linear1.weight": block["mlp.c_fc.weight"].T,
        "linear1.bias": block["mlp.c_fc.bias"],
        "linear2.weight": block["mlp.c_proj.weight"].T,
        "linear2.bias": block["mlp.c_proj.bias"],
        "norm1.weight": block["ln_1.weight"],
        "norm1.bias": block["ln_1.bias"],
        "norm2.weight": block["ln_2.weight"],
        "norm2.bias": block["ln_2.bias"],
    }
    past = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
    return functional_call(twin, weights, (x, past), {"is_causal": True}, strict=True)


def test_nandas_network_has_226816_parameters():
    assert GPTSettings().n_parameters(114, 3) == 226_816


def test_nandas_start_has_his_spreads_and_no_biases():
    model = made(GPTSettings(), vocab_size=114, length=3)
    spread = {name: float(value.std()) for name, value in model.state_dict().items()}
    assert spread["transformer.wte.weight"] == pytest.approx(128**-0.5, rel=0.03)
    assert spread["transformer.h.0.mlp.c_proj.weight"] == pytest.approx(128**-0.5, rel=0.03)
    assert spread["lm_head.weight"] == pytest.approx(114**-0.5, rel=0.03)
    assert spread["transformer.h.0.mlp.c_fc.bias"] == 0.0


def test_gpt2s_start_shrinks_what_is_added_to_the_residual_stream():
    settings = GPTSettings(n_layers=8, init="gpt2", norm="pre", attention_bias=True)
    state = made(settings, vocab_size=114, length=3).state_dict()
    assert float(state["transformer.h.3.attn.c_attn.weight"].std()) == pytest.approx(
        0.02, rel=0.03
    )
    assert float(state["transformer.h.3.mlp.c_proj.weight"].std()) == pytest.approx(
        0.005, rel=0.03
    )
    assert float(state["transformer.ln_f.weight"].min()) == 1.0


def test_init_scale_multiplies_weights_and_spares_gains():
    plain, scaled = (
        made(GPTSettings(norm="post", init_scale=scale), vocab_size=9, length=3).state_dict()
        for scale in (1.0, 8.0)
    )
    for name in plain:
        factor = 1.0 if ".ln_" in name else 8.0
        torch.testing.assert_close(scaled[name], plain[name] * factor)


def test_the_tied_network_has_no_second_matrix():
    state = made(GPTSettings(tied=True), vocab_size=9, length=3).state_dict()
    assert "lm_head.weight" not in state


@pytest.mark.parametrize(
    "settings",
    [GPTSettings(), GPTSettings(n_layers=3, d_model=32, d_mlp=48, norm="pre")],
    ids=["nanda", "three layers"],
)
def test_flops_are_those_of_one_more_example(settings: GPTSettings):
    V, T, read = 13, 5, (2, 4)
    model, counted = made(settings, vocab_size=V, length=T), list[int]()
    for n_examples in (1000, 1001):
        tokens = torch.randint(V, (n_examples, T))
        with FlopCounterMode(display=False) as counter:
            model(tokens, read).sum().backward()
        counted.append(counter.get_total_flops())
    assert settings.flops_per_example(V, T, 2) == counted[1] - counted[0]


def test_heads_that_do_not_fit_are_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"n_heads must divide d_model \(12\), got 5; .* 3, 4, 6"):
        GPTSettings(d_model=12, n_heads=5)
