"""Whether the gated DeltaNet mixer is Qwen3-Next's, as `transformers` computes it."""

import pytest
import torch
from transformers import Qwen3NextConfig
from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextGatedDeltaNet

from engine.models import GatedDeltaNetSettings
from engine.models.mixers.gated_deltanet import GatedDeltaNet
from tests.engine.models.agreement import gradient_agrees, logits_agree
from tests.engine.models.mixers.made import perturbed, residual

C, H, T = 32, 4, 11
EVERYWHERE = tuple(range(T))
SETTINGS = GatedDeltaNetSettings(d_model=C, n_heads=H, expand_k=1.5, expand_v=2.0)


@pytest.fixture
def reference() -> Qwen3NextGatedDeltaNet:
    """The layer of `transformers` with every parameter drawn anew."""
    config = Qwen3NextConfig(
        hidden_size=C,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
        linear_num_key_heads=H,
        linear_num_value_heads=H,
        linear_key_head_dim=SETTINGS.d_key // H,
        linear_value_head_dim=SETTINGS.d_value // H,
        linear_conv_kernel_dim=4,
        rms_norm_eps=1e-6,
    )
    layer = Qwen3NextGatedDeltaNet(config, 0)
    perturbed(layer)
    return layer


def ours(reference: Qwen3NextGatedDeltaNet) -> GatedDeltaNet:
    layer = GatedDeltaNet(SETTINGS, length=T)
    layer.load_state_dict(reference.state_dict(), strict=True)
    return layer


def test_outputs_equal_those_of_transformers(reference: Qwen3NextGatedDeltaNet):
    x = residual(5, T, C).float()
    logits_agree("gated_deltanet", ours(reference)(x, EVERYWHERE, torch.float32), reference(x))


def test_gradients_equal_those_of_transformers(reference: Qwen3NextGatedDeltaNet):
    x, layer = residual(5, T, C).float(), ours(reference)
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    there, here = x.clone().requires_grad_(), x.clone().requires_grad_()
    (reference(there) * weights).sum().backward()
    (layer(here, EVERYWHERE, torch.float32) * weights).sum().backward()
    gradient_agrees("gated_deltanet", "x", here.grad, there.grad)
    theirs = dict(reference.named_parameters())
    for name, parameter in layer.named_parameters():
        gradient_agrees("gated_deltanet", name, parameter.grad, theirs[name].grad)
