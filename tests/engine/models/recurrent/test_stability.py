"""Whether the recurrences keep their figures in float32 where rows repeat and decays are extreme.

Each is compared with a slow loop in float64, values and gradients.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.models import (
    LSTMSettings,
    Mamba2Settings,
    MambaSettings,
    RWKV4Settings,
    RWKV7Settings,
)
from engine.models.build import build_model
from engine.models.mamba.network import selective_scan
from engine.models.mamba2.network import decaying_sums
from engine.models.rwkv4.network import averages
from engine.models.rwkv7.kernel import generalised_delta_rule
from engine.models.rwkv7.time_mixing import FASTEST
from tests.engine.models.agreement import relative
from tests.engine.models.recurrent.parity import perturb, rows
from tests.engine.models.rwkv7.twin import read_state

B, T, H, D, N = 2, 64, 2, 6, 5
EVERYWHERE = tuple(range(T))
Inputs = list[Tensor]
every_row = pytest.mark.parametrize("repeated", [False, True], ids=["different", "repeated"])


def drawn(shapes: list[tuple[int, ...]], *, repeated: bool) -> Inputs:
    """Random inputs (B, T, …); or, where a row repeats itself, one position's for all T."""
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(B, T, *shape, generator=generator) for shape in shapes]
    return [each[:, :1].expand(each.shape).clone() if repeated else each for each in inputs]


def compare(ours: Callable[..., Tensor], slow: Callable[..., Tensor], inputs: Inputs) -> None:
    """Finite, and within 1e-5 of the loop's scale; gradients within 1e-4 of theirs."""
    single = [each.clone().requires_grad_() for each in inputs]
    double = [each.double().requires_grad_() for each in inputs]
    found, expected = ours(*single), slow(*double)
    assert relative(found - expected, expected) < 1e-5
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for number, (one, two) in enumerate(zip(single, double, strict=True)):
        assert one.grad is not None
        assert two.grad is not None
        scale = two.grad.abs().max().clamp(min=1e-30)
        assert float((one.grad - two.grad).abs().max() / scale) < 1e-4, number


def slow_scan(x: Tensor, dt: Tensor, A: Tensor, written: Tensor, asked: Tensor) -> Tensor:
    """x, dt (B, T, D), A (D, N), written and asked (B, T, D, N)."""
    h, found = x.new_zeros(B, x.shape[2], A.shape[1]), []
    for t in range(T):
        h = (dt[:, t, :, None] * A).exp() * h + (dt * x)[:, t, :, None] * written[:, t]
        found.append((h * asked[:, t]).sum(-1))
    return torch.stack(found, 1)


STEPS = [1e-4, 0.1, 20.0]
"""Time steps: with A of −1 … −16, a state that stays, one that fades and one that is wiped."""


@every_row
@pytest.mark.parametrize("step", STEPS)
def test_the_selective_scan_keeps_its_figures(repeated: bool, step: float):
    x, dt, written, asked = drawn([(D,), (D,), (N,), (N,)], repeated=repeated)
    A = -torch.linspace(1, 16, N).repeat(D, 1)
    compare(
        lambda *each: selective_scan(*each, EVERYWHERE),
        lambda x, dt, A, b, c: slow_scan(
            x, dt, A, b[:, :, None].expand(B, T, D, N), c[:, :, None].expand(B, T, D, N)
        ),
        [x, step * dt.sigmoid(), A, written, asked],
    )


@every_row
@pytest.mark.parametrize("step", STEPS)
def test_decaying_sums_keep_their_figures(repeated: bool, step: float):
    x, dt, written, asked = drawn([(H, D), (H,), (1, N), (1, N)], repeated=repeated)

    def ours(*each: Tensor) -> Tensor:
        return decaying_sums(*each, EVERYWHERE, torch.float32)

    def slow(x: Tensor, dt: Tensor, A: Tensor, written: Tensor, asked: Tensor) -> Tensor:
        dt = dt.repeat_interleave(D, 2)
        written, asked = (each.expand(B, T, H * D, N) for each in (written, asked))
        A = A.repeat_interleave(D)[:, None].expand(H * D, N)
        return slow_scan(x.flatten(2), dt, A, written, asked).view(x.shape)

    compare(ours, slow, [x, step * dt.sigmoid(), -torch.tensor([1.0, 16.0]), written, asked])


def test_small_decays_after_a_large_one_are_not_lost():
    """Sums over the row would be near −1e5, where float32 knows no hundredths."""
    x, dt, written, asked = drawn([(H, D), (H,), (1, N), (1, N)], repeated=False)
    dt = 1e-3 * dt.sigmoid()
    dt[:, 3] = 1e4

    def slow(x: Tensor, dt: Tensor, written: Tensor, asked: Tensor) -> Tensor:
        A = -torch.tensor([1.0, 16.0]).double().repeat_interleave(D)[:, None].expand(H * D, N)
        written, asked = (each.expand(B, T, H * D, N) for each in (written, asked))
        dt = dt.repeat_interleave(D, 2)
        return slow_scan(x.flatten(2), dt, A, written, asked).view(x.shape)[:, 4:]

    def ours(x: Tensor, dt: Tensor, written: Tensor, asked: Tensor) -> Tensor:
        A = -torch.tensor([1.0, 16.0])
        return decaying_sums(x, dt, A, written, asked, EVERYWHERE, torch.float32)[:, 4:]

    x[:, 3] = 0
    compare(ours, slow, [x, dt, written, asked])


def slow_averages(decay: Tensor, bonus: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Weights of all earlier positions, written out for each."""
    found = []
    for t in range(T):
        age = torch.arange(t - 1, -1, -1, dtype=keys.dtype)[:, None]
        past = keys[:, :t] - age * decay.exp()
        weights = torch.cat([past, (keys[:, t] + bonus)[:, None]], 1).softmax(1)
        found.append((weights * values[:, : t + 1]).sum(1))
    return torch.stack(found, 1)


@every_row
@pytest.mark.parametrize("decay", [-12.0, 0.0, 5.0])
@pytest.mark.parametrize("size", [1.0, 60.0])
def test_averages_keep_their_figures(repeated: bool, decay: float, size: float):
    (keys,), (values,) = drawn([(D,)], repeated=repeated), drawn([(D,)], repeated=False)
    inputs = [torch.full((D,), decay), torch.linspace(-2, 2, D), size * keys, values]
    compare(averages, slow_averages, inputs)


@every_row
@pytest.mark.parametrize("log_decay", [-FASTEST, -0.3, -1e-4])
@pytest.mark.parametrize("rate", [0.5, 0.98, 1.0])
def test_the_generalised_delta_rule_keeps_its_figures(
    repeated: bool, log_decay: float, rate: float
):
    asked, keys, values, direction = drawn([(H, D)] * 4, repeated=repeated)
    decays = torch.full((B, T, H, D), log_decay)
    direction = F.normalize(direction, dim=-1)

    def ours(*each: Tensor) -> Tensor:
        asked, decays, keys, values, removed, new = (x.transpose(1, 2) for x in each)
        return generalised_delta_rule(
            asked, decays, keys, values, removed=removed, replaced=new, read=EVERYWHERE
        )

    def slow(*each: Tensor) -> Tensor:
        rows = [
            [read_state(*(x[example, :, head] for x in each)) for head in range(H)]
            for example in range(B)
        ]
        return torch.stack([torch.stack(row) for row in rows])

    compare(ours, slow, [asked, decays, keys, values, -direction, rate * direction])


@pytest.mark.parametrize(
    "settings",
    [
        MambaSettings(n_layers=2, d_model=16),
        Mamba2Settings(n_layers=2, d_model=16),
        RWKV4Settings(n_layers=2, d_model=16, d_mlp=32),
        RWKV7Settings(n_layers=2, d_model=16, d_mlp=32),
        LSTMSettings(n_layers=2, d_model=16),
    ],
    ids=lambda settings: settings.kind,
)
@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_networks_keep_their_figures_on_a_repeated_token(settings: Any, noise: float):
    single, double = (build_model(settings, vocab_size=7, length=T) for _ in range(2))
    single.reset(torch.Generator().manual_seed(0))
    perturb(single, scale=noise)
    double.load_state_dict(single.state_dict())
    double = double.double()
    double.matmul_dtype = torch.float64
    tokens = rows(3, T, 7)
    tokens[0], tokens[1, 5:] = 3, 2
    found, expected = single(tokens, EVERYWHERE), double(tokens, EVERYWHERE)
    assert relative(found - expected, expected) < 1e-4
    found.square().mean().backward()
    expected.square().mean().backward()
    for (name, one), two in zip(single.named_parameters(), double.parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        assert relative(one.grad - two.grad, two.grad) < 1e-3, name
