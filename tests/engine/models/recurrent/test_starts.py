"""How the recurrent networks start."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.models import (
    LSTMSettings,
    Mamba2Settings,
    MambaSettings,
    MLPSettings,
    RWKV4Settings,
    RWKV7Settings,
)
from engine.models.build import build_model
from engine.models.recurrent.starts import orthogonal, time_steps
from tests.engine.models.recurrent.parity import rows

V, T = 11, 6
SETTINGS = [
    MambaSettings(n_layers=2, d_model=16),
    Mamba2Settings(n_layers=2, d_model=16),
    RWKV4Settings(n_layers=2, d_model=16, d_mlp=24),
    RWKV7Settings(n_layers=2, d_model=16, d_mlp=24),
    LSTMSettings(n_layers=2, d_model=16),
    MLPSettings(n_layers=2, d_model=16),
]
every_kind = pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: each.kind)


def start(settings: Any) -> Any:
    model = build_model(settings, vocab_size=V, length=T)
    model.reset(torch.Generator().manual_seed(0))
    return model


@every_kind
def test_a_fresh_network_gives_finite_logits_that_differ_by_class(settings: Any):
    logits = start(settings)(rows(5, T, V), (T - 1,))
    assert logits.isfinite().all()
    assert logits.std(-1).min() > 0


@every_kind
def test_init_scale_multiplies_products_and_spares_gains_decays_and_mixtures(settings: Any):
    plain = start(settings).state_dict()
    scaled = start(settings.model_copy(update={"init_scale": 8.0})).state_dict()
    factors: dict[str, float] = {}
    for name, value in plain.items():
        if value.abs().max() > 0:
            factors[name] = float((scaled[name] / value).nanmedian())
            torch.testing.assert_close(scaled[name], value * round(factors[name]))
    assert {round(factor) for factor in factors.values()} <= {1, 8}
    assert all(factor == 8 for name, factor in factors.items() if name.endswith("proj.weight"))
    spared = ("A_log", ".D", "norm.weight", "dt_bias", "time_decay", "time_first", "w0", "x_k")
    assert all(factor == 1 for name, factor in factors.items() if name.endswith(spared))


def test_time_steps_lie_between_a_thousandth_and_a_tenth():
    steps = F.softplus(time_steps(1000, torch.Generator().manual_seed(0)))
    assert 0.00099 < float(steps.min()) < 0.0012
    assert 0.09 < float(steps.max()) < 0.101


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)])
def test_orthogonal_matrices_have_orthogonal_rows_or_columns(shape: tuple[int, int]):
    drawn = orthogonal(torch.empty(shape), 3.0, torch.Generator().manual_seed(0))
    narrow: Tensor = drawn if shape[0] < shape[1] else drawn.T
    torch.testing.assert_close(narrow @ narrow.T, 9 * torch.eye(4), rtol=1e-5, atol=1e-5)


def test_rwkv7_starts_without_adding_anything_to_its_embedding():
    settings = RWKV7Settings(n_layers=2, d_model=16, d_mlp=24)
    model, tokens = start(settings), rows(8, T, V)
    tokens[:, -1] = 3
    logits = model(tokens, (T - 1,))
    torch.testing.assert_close(logits, logits[:1].expand(logits.shape))
