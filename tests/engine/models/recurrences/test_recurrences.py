"""Whether each parallel form is the recurrence that it stands for."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.models.recurrences.channel_decay import channel_decay
from engine.models.recurrences.delta import delta_rule, gated_delta_rule
from engine.models.recurrences.linear import linear_attention
from engine.models.recurrences.scalar_decay import scalar_decay
from engine.models.recurrences.times import at_times
from tests.engine.models.recurrences.slowly import slowly

B, H, K, D = 2, 3, 4, 5
Inputs = dict[str, Tensor]

FAST: dict[str, Callable[[Inputs, tuple[int, ...]], Tensor]] = {
    "linear": lambda x, read: linear_attention(at_times(x["q"], read), x["k"], x["v"], read),
    "scalar decay": lambda x, read: scalar_decay(
        at_times(x["q"], read), x["k"], x["v"], x["scalar"], read
    ),
    "channel decay": lambda x, read: channel_decay(
        at_times(x["q"], read), x["k"], x["v"], x["channel"], read
    ),
    "delta": lambda x, read: delta_rule(at_times(x["q"], read), x["k"], x["v"], x["beta"], read),
    "gated delta": lambda x, read: gated_delta_rule(
        at_times(x["q"], read), x["k"], x["v"], x["beta"], x["scalar"], read
    ),
}
SLOW: dict[str, Callable[[Inputs], Tensor]] = {
    "linear": lambda x: slowly(x["q"], x["k"], x["v"]),
    "scalar decay": lambda x: slowly(
        x["q"], x["k"], x["v"], decay=x["scalar"].exp().unsqueeze(-1)
    ),
    "channel decay": lambda x: slowly(x["q"], x["k"], x["v"], decay=x["channel"].exp()),
    "delta": lambda x: slowly(x["q"], x["k"], x["v"], beta=x["beta"]),
    "gated delta": lambda x: slowly(
        x["q"], x["k"], x["v"], beta=x["beta"], decay=x["scalar"].exp().unsqueeze(-1)
    ),
}
every_form = pytest.mark.parametrize("form", FAST)
every_length = pytest.mark.parametrize("T", [1, 2, 3, 8, 17, 64])


def ordinary(T: int) -> Inputs:
    """Keys of length 1, as every delta rule has them, and mild decays."""
    torch.manual_seed(T)
    return {
        "q": torch.randn(B, H, T, K, dtype=torch.float64),
        "k": F.normalize(torch.randn(B, H, T, K, dtype=torch.float64), dim=-1),
        "v": torch.randn(B, H, T, D, dtype=torch.float64),
        "beta": 2 * torch.rand(B, H, T, dtype=torch.float64),
        "scalar": -torch.rand(B, H, T, dtype=torch.float64),
        "channel": -torch.rand(B, H, T, K, dtype=torch.float64),
    }


def identical_keys(T: int) -> Inputs:
    """The same token again and again, corrected twice as far as it was wrong."""
    inputs = ordinary(T)
    inputs["k"] = inputs["k"][:, :, :1].expand(-1, -1, T, -1).contiguous()
    inputs["beta"] = torch.full_like(inputs["beta"], 1.999)
    return inputs


def sudden_forgetting(T: int) -> Inputs:
    """Log decay -20 at every other step."""
    inputs = ordinary(T)
    inputs["scalar"][:, :, ::2] = -20.0
    inputs["channel"][:, :, ::2, ::2] = -20.0
    return inputs


def total_forgetting(T: int) -> Inputs:
    """Log decay -20 at every step and on every channel, and identical keys."""
    inputs = identical_keys(T)
    inputs["scalar"].fill_(-20.0)
    inputs["channel"].fill_(-20.0)
    return inputs


CASES = {
    "ordinary": ordinary,
    "identical keys": identical_keys,
    "sudden forgetting": sudden_forgetting,
    "total forgetting": total_forgetting,
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def values_and_gradients(
    function: Callable[[Inputs], Tensor], inputs: Inputs
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and how a loss that weighs each number differently depends on the inputs."""
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    output = function(leaves)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(output.shape, generator=generator, dtype=torch.float64).to(output)
    (output * weights).sum().backward()
    return output.detach(), {
        name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None
    }


@every_form
@every_length
@every_case
def test_the_parallel_form_equals_the_recurrence(form: str, T: int, case: Callable[[int], Inputs]):
    inputs, everywhere = case(T), tuple(range(T))
    fast, fast_gradients = values_and_gradients(lambda x: FAST[form](x, everywhere), inputs)
    slow, slow_gradients = values_and_gradients(SLOW[form], inputs)
    torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)
    assert fast_gradients.keys() == slow_gradients.keys()
    for name, gradient in slow_gradients.items():
        torch.testing.assert_close(fast_gradients[name], gradient, rtol=1e-8, atol=1e-8, msg=name)


@every_form
@pytest.mark.parametrize("read", [(16,), (3, 9, 10), (8, 1, 15)], ids=str)
def test_reading_some_steps_gives_what_reading_all_gives_there(form: str, read: tuple[int, ...]):
    inputs = ordinary(17)
    everything = FAST[form](inputs, tuple(range(17)))
    torch.testing.assert_close(FAST[form](inputs, read), everything[:, :, list(read)])


@every_form
@every_case
def test_float32_stays_finite_and_near_the_recurrence_in_float64(
    form: str, case: Callable[[int], Inputs]
):
    inputs, everywhere = case(64), tuple(range(64))
    single = {name: value.float() for name, value in inputs.items()}
    twin = {name: value.double() for name, value in single.items()}
    fast, fast_gradients = values_and_gradients(lambda x: FAST[form](x, everywhere), single)
    slow, slow_gradients = values_and_gradients(SLOW[form], twin)
    assert (fast - slow).abs().max() <= 2e-5 * slow.abs().max()
    for name, gradient in slow_gradients.items():
        error = (fast_gradients[name] - gradient).abs().max()
        # a decay's gradient is a difference of numbers near 1, and may itself be near 1e-8
        assert error <= 1e-4 * gradient.abs().max() + 1e-6, name


def test_decays_below_the_strongest_stay_finite():
    inputs = {name: value.float() for name, value in ordinary(64).items()}
    inputs["channel"].fill_(-1e4)
    output, gradients = values_and_gradients(
        lambda x: FAST["channel decay"](x, tuple(range(64))), inputs
    )
    expected = (inputs["q"] * inputs["k"]).sum(-1, keepdim=True) * inputs["v"]
    torch.testing.assert_close(output, expected)
    assert all(gradient.isfinite().all() for gradient in gradients.values())
