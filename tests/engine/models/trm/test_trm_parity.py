"""Whether the recursive net is the published one, against a slow twin with the same weights."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from engine.models import TRMSettings
from engine.models.trm.network import TRM
from tests.engine.models.agreement import gradients_agree, logits_agree
from tests.engine.models.trm.variants import SETTINGS

V, T = 23, 5


@pytest.fixture(params=SETTINGS.values(), ids=list(SETTINGS))
def model(request: pytest.FixtureRequest) -> TRM:
    """A network in float64 with every parameter perturbed."""
    made = TRM(request.param, vocab_size=V, length=T)
    generator = torch.Generator().manual_seed(0)
    made.reset(generator)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    made.matmul_dtype = torch.float64
    return made.double()


def rms(z: Tensor, dim: int) -> Tensor:
    return z / (z.pow(2).mean(dim, keepdim=True) + 1e-5).sqrt()


def core(model: TRM, z: Tensor) -> Tensor:
    """One run of the core over one example's (P, C), written from the published description."""
    weights = dict(model.named_parameters())
    for layer in range(model.settings.n_layers):
        parts = {
            name: weights[f"core.{layer}.{name}_proj.weight"]
            for name in ("mlp_t.gate", "mlp_t.up", "mlp_t.down", "mlp.gate", "mlp.up", "mlp.down")
        }
        mixed = F.silu(parts["mlp_t.gate"] @ z) * (parts["mlp_t.up"] @ z)
        z = rms(z + parts["mlp_t.down"] @ mixed, 0)
        gated = F.silu(z @ parts["mlp.gate"].T) * (z @ parts["mlp.up"].T)
        z = rms(z + gated @ parts["mlp.down"].T, 1)
    return z


def slow_logits(model: TRM, row: Tensor, position: int) -> Tensor:
    """Logits (V) of one row at one position; the states are cut from the graph by detaching."""
    settings, weights = model.settings, dict(model.named_parameters())
    C = settings.d_model
    x = torch.zeros(settings.n_prefix + T, C, dtype=torch.float64)
    if settings.n_prefix:
        x[: settings.n_prefix] = weights["prefix"]
    for place in range(position + 1):
        x[settings.n_prefix + place] = weights["embed_tokens.weight"][row[place]]
    x = x * C**0.5
    h, low = (start.repeat(len(x), 1) for start in (model.h_start, model.l_start))
    for cycle in range(settings.h_cycles):
        h, low = h.detach(), low.detach()
        for _ in range(settings.l_cycles):
            low = core(
                model, low + (h + x if cycle == settings.h_cycles - 1 else (h + x).detach())
            )
        h = core(model, h + low)
    return weights["lm_head.weight"] @ h[settings.n_prefix + position]


def test_logits_and_gradients_equal_those_of_the_slow_twin(model: TRM):
    tokens = torch.randint(V, (6, T), generator=torch.Generator().manual_seed(1))
    read = (1, 4)
    expected = torch.stack(
        [torch.stack([slow_logits(model, row, position) for position in read]) for row in tokens]
    )
    found = model(tokens, read)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    logits_agree("trm", found, expected)
    gradients_agree("trm", model, found, expected)


def test_flops_are_those_of_one_more_example(model: TRM):
    counted = list[int]()
    for n_examples in (100, 101):
        tokens = torch.randint(V, (n_examples, T), generator=torch.Generator().manual_seed(1))
        with FlopCounterMode(display=False) as counter:
            model(tokens, (2, 4)).sum().backward()
        counted.append(counter.get_total_flops())
    assert model.settings.flops_per_example(V, T, 2) == counted[1] - counted[0]


def test_a_start_keeps_sizes_and_has_an_empty_prefix():
    model = TRM(TRMSettings(), vocab_size=200, length=T)
    model.reset(torch.Generator().manual_seed(0))
    state = model.state_dict()
    assert float(state["embed_tokens.weight"].std()) == pytest.approx(128**-0.5, rel=0.03)
    down = state["core.1.mlp.down_proj.weight"]
    assert float(down.std()) == pytest.approx(344**-0.5, rel=0.03)
    assert float(down.abs().max()) < 2.3 * 344**-0.5
    assert float(state["prefix"].abs().max()) == 0.0


def test_states_start_alike_for_every_seed():
    first, second = (TRM(TRMSettings(), vocab_size=9, length=T) for _ in range(2))
    assert torch.equal(first.h_start, second.h_start)
    assert not torch.equal(first.h_start, first.l_start)
    assert "h_start" not in first.state_dict()
