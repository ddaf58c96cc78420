"""Whether float32 networks stay finite and near float64 where recurrences are known to break."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.models.build import build_model
from tests.engine.models.mixers.made import perturbed
from tests.engine.models.mixers.variants import SETTINGS
from tests.engine.models.samples import gradients

V, T, B = 11, 64, 4
every_stack = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def rows(*, repeated: bool) -> Tensor:
    """Rows of the same token, or of random ones."""
    drawn = torch.randint(V, (B, T), generator=torch.Generator().manual_seed(0))
    return drawn[:, :1].expand(B, T).contiguous() if repeated else drawn


def set_decays(model: nn.Module, settings: Any, log_decay: float) -> None:
    """Gates whose logarithm is near `log_decay` whatever the token; β near its largest."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("gk_proj.0.weight"):
                parameter.mul_(0.01)
            if name.endswith("gk_proj.1.bias"):
                temperature = getattr(settings, "gate_temperature", 16.0)
                parameter.copy_(torch.full_like(parameter, log_decay * temperature))
            if name.endswith(("dt_bias", "dt_proj.bias")):
                parameter.copy_(torch.full_like(parameter, -log_decay))
            if name.endswith("A_log"):
                parameter.zero_()
            if name.endswith("time_decay"):
                parameter.copy_(torch.full_like(parameter, -log_decay).log())


def twins(settings: Any, log_decay: float | None) -> tuple[Any, Any]:
    """The same network in float32 and in float64."""
    single, double = (build_model(settings, vocab_size=V, length=T) for _ in range(2))
    perturbed(single)
    if log_decay is not None:
        set_decays(single, settings, log_decay)
    double.load_state_dict(single.state_dict())
    double = double.double()
    double.matmul_dtype = torch.float64
    return single, double


@every_stack
@pytest.mark.parametrize("repeated", [True, False], ids=["one token", "many tokens"])
@pytest.mark.parametrize("log_decay", [None, -20.0, -1e-3], ids=str)
def test_float32_is_finite_and_near_float64(
    settings: Any, repeated: bool, log_decay: float | None
):
    single, double = twins(settings, log_decay)
    tokens, everywhere = rows(repeated=repeated), tuple(range(T))
    found, expected = single(tokens, everywhere), double(tokens, everywhere)
    assert found.isfinite().all()
    assert (found - expected).abs().max() <= 1e-3 * expected.abs().max()
    exact = gradients(double, tokens, everywhere)
    largest = max(gradient.abs().max() for gradient in exact.values())
    for name, gradient in gradients(single, tokens, everywhere).items():
        assert gradient.isfinite().all(), name
        assert (gradient - exact[name]).abs().max() <= 1e-3 * largest, name
