"""Whether a stack is its mixers, norms and MLPs put together as the papers do, written out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.models import HybridSettings
from engine.models.build import build_model
from tests.engine.models.agreement import gradients_agree, logits_agree
from tests.engine.models.mixers.made import perturbed
from tests.engine.models.mixers.test_mixers_step_by_step import (
    LAYERS,
    C,
    H,
    Weights,
    attention,
    linear_attention,
    retnet,
    rms,
    silu,
)

V, T = 13, 6
Twin = Callable[[Weights, Tensor], Tensor]
STACKS: dict[str, tuple[Any, list[Twin]]] = {
    name: (
        settings.model_copy(update={"n_layers": 2, "d_mlp": 10, "activation": "swiglu"}),
        [t, t],
    )
    for name, (settings, t) in LAYERS.items()
    if settings.kind != "attention"
} | {
    "hybrid": (
        HybridSettings(
            n_layers=4,
            d_model=C,
            n_heads=H,
            d_mlp=10,
            activation="gelu",
            norm="layer",
            tied=True,
            mixers=("retnet", "attention", "linear_attention"),
        ),
        [retnet, attention, linear_attention, retnet],
    )
}


def under(weights: Weights, prefix: str) -> Weights:
    """The weights of one part, by their names within it."""
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}


def normed(weights: Weights, x: Tensor) -> Tensor:
    if "bias" not in weights:
        return rms(x, weights["weight"])
    return F.layer_norm(x, (C,), weights["weight"], weights["bias"])


def thought(weights: Weights, x: Tensor) -> Tensor:
    up = x @ weights["up_proj.weight"].T
    gated = "gate_proj.weight" in weights
    bent = silu(x @ weights["gate_proj.weight"].T) * up if gated else F.gelu(up)
    return bent @ weights["down_proj.weight"].T


def slow_logits(weights: Weights, twins: list[Twin], tokens: Tensor) -> Tensor:
    """Logits (B, T, V) at all positions."""
    x = weights["model.embeddings.weight"][tokens]
    if "model.positions.weight" in weights:
        x = x + weights["model.positions.weight"]
    for number, twin in enumerate(twins):
        layer = under(weights, f"model.layers.{number}.")
        x = x + twin(under(layer, "attn."), normed(under(layer, "attn_norm."), x))
        x = x + thought(under(layer, "mlp."), normed(under(layer, "mlp_norm."), x))
    table = weights.get("lm_head.weight", weights["model.embeddings.weight"])
    return normed(under(weights, "model.norm."), x) @ table.T


@pytest.mark.parametrize(("settings", "twins"), STACKS.values(), ids=STACKS)
def test_logits_and_gradients_equal_those_of_the_stack_written_out(
    settings: Any, twins: list[Twin]
):
    model: Any = perturbed(build_model(settings, vocab_size=V, length=T).double())
    model.matmul_dtype = torch.float64
    tokens = torch.randint(V, (5, T), generator=torch.Generator().manual_seed(1))
    found = model(tokens, tuple(range(T)))
    expected = slow_logits(dict(model.named_parameters()), twins, tokens)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    logits_agree(settings.kind, found, expected)
    gradients_agree(settings.kind, model, found, expected)
