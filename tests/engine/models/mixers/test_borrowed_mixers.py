"""Whether a hybrid's layers are the mixers of Mamba, Mamba-2, RWKV-4 and RWKV-7."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Mamba2Config, MambaConfig, RwkvConfig
from transformers.models.mamba.modeling_mamba import MambaMixer
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer
from transformers.models.rwkv.modeling_rwkv import RwkvSelfAttention

from engine.models import (
    HybridSettings,
    Mamba2Settings,
    MambaSettings,
    RWKV4Settings,
    RWKV7Settings,
)
from engine.models.build import build_model
from engine.models.mixers.network import MixerStack
from tests.engine.models.agreement import gradient_agrees, logits_agree
from tests.engine.models.mixers.made import perturbed, residual
from tests.engine.models.rwkv7 import twin

C, H, T, L = 24, 3, 11, 3
OWN: dict[str, tuple[Any, str]] = {
    "mamba": (MambaSettings, "backbone.layers.{}.mixer."),
    "mamba2": (Mamba2Settings, "backbone.layers.{}.mixer."),
    "rwkv4": (RWKV4Settings, "rwkv.blocks.{}.attention."),
    "rwkv7": (RWKV7Settings, "blocks.{}.att."),
}
"""The settings of each mixer's own network, and where its state dict has the mixer of a layer."""
every_mixer = pytest.mark.parametrize("kind", OWN)


def hybrid(kind: str, **chosen: Any) -> MixerStack:
    """Three layers, of which `kind` has the first and the last."""
    settings = HybridSettings.model_validate(
        {"n_layers": L, "d_model": C, "n_heads": H, "mixers": (kind, "attention")} | chosen
    )
    return MixerStack(settings, vocab_size=13, length=T)


def mamba() -> nn.Module:
    config = MambaConfig(hidden_size=C, use_mambapy=False, use_associative_scan=False)
    return MambaMixer(config, 0)


def mamba2() -> nn.Module:
    config = Mamba2Config(
        hidden_size=C, state_size=32, num_heads=H, head_dim=2 * C // H, n_groups=1, chunk_size=T
    )
    return Mamba2Mixer(config, 0)


def rwkv4() -> nn.Module:
    return RwkvSelfAttention(RwkvConfig(hidden_size=C))


def given(found: Any) -> Tensor:
    """What a mixer of `transformers` gives, without the state that some of them hand on."""
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("make", [mamba, mamba2, rwkv4], ids=lambda make: make.__name__)
def test_a_layer_equals_the_mixer_of_transformers(make: Callable[[], nn.Module]):
    kind = make.__name__
    theirs, layer = perturbed(make()), hybrid(kind).blocks[0].attn
    (ours,) = layer.children()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = residual(5, T, C).float()
    found, expected = layer(x, tuple(range(T)), torch.float32), given(theirs(x))
    logits_agree(kind, found, expected)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    reference = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        gradient_agrees(kind, name, parameter.grad, reference[name].grad)


def test_an_rwkv7_layer_equals_the_first_of_the_slow_twin():
    layer: Any = perturbed(hybrid("rwkv7").blocks[2].attn)
    exact = {
        name: value.detach().double().requires_grad_() for name, value in layer.named_parameters()
    }
    x = residual(3, T, C)
    expected = torch.stack([twin.time_mixing(exact, row, None, H)[0] for row in x])
    found = layer(x.float(), tuple(range(T)), torch.float32)
    logits_agree("rwkv7", found, expected)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    for name, parameter in layer.named_parameters():
        gradient_agrees("rwkv7", name, parameter.grad, exact[name].grad)


@every_mixer
def test_a_layer_starts_as_it_does_in_its_own_network(kind: str):
    """The same where nothing is drawn; as alike as two draws are where something is."""
    settings, place = OWN[kind]
    chosen = {"n_layers": L, "d_model": C, "init_scale": 2.0}
    heads = {"n_heads": C}  # many numbers, so that their sizes tell something
    own: Any = settings(**chosen, **(heads if "n_heads" in settings.model_fields else {}))
    first, second = (build_model(own, vocab_size=13, length=T) for _ in range(2))
    stack = hybrid(kind, **chosen, **heads)
    for seed, model in enumerate((first, second, stack)):
        model.reset(torch.Generator().manual_seed(seed))
    for depth in (0, L - 1):
        (mixer,) = stack.blocks[depth].attn.children()
        for name, value in mixer.named_parameters():
            expected, other = (
                each.state_dict()[place.format(depth) + name] for each in (first, second)
            )
            if torch.equal(expected, other):
                assert torch.equal(value, expected), name
            else:
                torch.testing.assert_close(
                    value.norm(), expected.norm(), rtol=0.2, atol=0, msg=name
                )


@every_mixer
def test_a_layer_is_counted_as_its_own_network_counts_it(kind: str):
    (own,) = HybridSettings(n_layers=1, d_model=C, n_heads=H, mixers=(kind,)).layers()  # pyright: ignore[reportArgumentType]
    counted = sum(p.numel() for p in hybrid(kind).blocks[2].attn.parameters())
    assert own.mixer_parameters(T) == counted


def test_maps_are_shown_only_where_every_layer_has_them():
    assert not hybrid("mamba").has_maps
    assert hybrid("linear_attention").has_maps


def test_a_hybrid_with_a_triangular_solve_is_not_recorded():
    assert hybrid("mamba2").captures
    assert not hybrid("rwkv7").captures
