"""What the settings of a stack count and refuse, and how its networks start."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.models import (
    GatedDeltaNetSettings,
    GLASettings,
    HybridSettings,
    LinearAttentionSettings,
    RetNetSettings,
)
from engine.models.build import build_model
from engine.models.mixers.network import MixerStack
from tests.engine.models.mixers.variants import SETTINGS


def solves(settings: Any, T: int) -> int:
    """Operations of triangular solves, which torch counts by their one product in the backward."""
    widths = [layer.d_value for layer in settings.layers() if "deltanet" in layer.kind]
    widths += [layer.d_model for layer in settings.layers() if layer.kind == "rwkv7"]
    return sum(4 * T * T * width for width in widths)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("T", [5, 19])
def test_flops_are_those_of_one_more_example(settings: Any, T: int):
    V, read, counted = 13, (T - 2, T - 1), list[int]()
    model = build_model(settings, vocab_size=V, length=T)
    model.reset(torch.Generator().manual_seed(0))
    for n_examples in (3, 4):
        with FlopCounterMode(display=False) as counter:
            model(torch.randint(V, (n_examples, T)), read).sum().backward()
        counted.append(counter.get_total_flops())
    found = settings.flops_per_example(V, T, 2)
    assert found == counted[1] - counted[0] + solves(settings, T)


def test_heads_that_do_not_fit_are_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"n_heads must divide d_model \(12\), got 5; .* 3, 4, 6"):
        LinearAttentionSettings(d_model=12, n_heads=5)


def test_keys_that_heads_cannot_share_are_refused():
    with pytest.raises(ValueError, match=r"expand_k times d_model .* got 0.5 · 12 = 6; make"):
        GLASettings(d_model=12, n_heads=4)


def test_keys_that_cannot_be_rotated_are_refused():
    with pytest.raises(ValueError, match=r"must be even.* got 12 / 4 = 3; change n_heads"):
        RetNetSettings(d_model=12, n_heads=4)


def test_sums_of_weights_that_may_vanish_are_refused():
    with pytest.raises(ValueError, match=r'feature_map must be "elu", got "relu"; or set'):
        LinearAttentionSettings(feature_map="relu")


def test_a_short_convolution_is_no_wider_than_a_row():
    model = build_model(GatedDeltaNetSettings(), vocab_size=9, length=3)
    assert model.state_dict()["model.layers.0.attn.conv1d.weight"].shape[-1] == 3


def test_decays_start_between_one_step_and_thousands():
    model = build_model(GatedDeltaNetSettings(d_model=64, n_heads=64), vocab_size=9, length=3)
    model.reset(torch.Generator().manual_seed(0))
    state = model.state_dict()
    rates = state["model.layers.0.attn.A_log"].exp()
    steps = torch.nn.functional.softplus(state["model.layers.0.attn.dt_bias"])
    assert rates.min() >= 1
    assert rates.max() <= 16
    assert 0.00099 <= steps.min() < 0.003
    assert 0.03 < steps.max() <= 0.101


def test_init_scale_multiplies_matrices_and_spares_gains_and_decays():
    plain, scaled = (
        build_model(GatedDeltaNetSettings(init_scale=scale), vocab_size=9, length=3)
        for scale in (1.0, 8.0)
    )
    for model in (plain, scaled):
        model.reset(torch.Generator().manual_seed(0))
    for name, value in plain.named_parameters():
        factor = 8.0 if value.ndim > 1 else 1.0
        torch.testing.assert_close(scaled.state_dict()[name], value.detach() * factor)


def test_a_hybrid_begins_its_list_anew_where_there_are_more_layers():
    settings = HybridSettings(n_layers=5, mixers=("deltanet", "gla", "attention"))
    model = MixerStack(settings, vocab_size=9, length=3)
    names = [type(block.attn).__name__ for block in model.blocks]
    memory = ["DeltaNet", "GatedLinearAttention"]
    assert names == [*memory, "Attention", *memory]


def test_a_hybrid_of_one_mixer_is_that_mixers_stack():
    alone = RetNetSettings(n_layers=2, d_model=16, n_heads=2, d_mlp=24)
    hybrid = HybridSettings(d_model=16, n_heads=2, d_mlp=24, mixers=("retnet",), positions="none")
    first, second = (build_model(settings, vocab_size=9, length=5) for settings in (alone, hybrid))
    first.reset(torch.Generator().manual_seed(0))
    second.load_state_dict(first.state_dict(), strict=True)
    tokens = torch.randint(9, (4, 5), generator=torch.Generator().manual_seed(1))
    assert torch.equal(first(tokens, (3, 4)), second(tokens, (3, 4)))


def test_more_mixers_than_layers_are_refused():
    with pytest.raises(ValueError, match=r"at most n_layers \(1\) mixers, got 2; raise n_layers"):
        HybridSettings(n_layers=1)


@pytest.mark.parametrize("mixer", ["gla", "retnet"])
def test_a_hybrid_refuses_what_one_of_its_mixers_refuses_in_words_of_its_own(mixer: str):
    given = {"d_model": 12, "mixers": f"attention, {mixer}"}
    with pytest.raises(
        ValueError, match=rf"n_heads must be one of 1, 2, 3, 6 .* {mixer} .*got 4;"
    ):
        HybridSettings.model_validate({**given, "n_heads": 4})
    for n_heads in (1, 2, 3, 6):
        HybridSettings.model_validate({**given, "n_heads": n_heads})
    with pytest.raises(ValueError, match=rf"d_model must be even .* {mixer}, got 9; give 8 or 10"):
        HybridSettings.model_validate({**given, "d_model": 9, "n_heads": 3})


def test_a_hybrids_mixers_can_be_typed_with_commas():
    typed = HybridSettings.model_validate({"mixers": "gla, deltanet"})
    assert typed.mixers == ("gla", "deltanet")
    assert HybridSettings.model_validate({"mixers": "gla"}).mixers == ("gla",)


def test_an_unknown_mixer_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match=r"may name attention, .*mamba2, rwkv4, rwkv7, got 'foo'"):
        HybridSettings.model_validate({"mixers": "gla, foo"})
