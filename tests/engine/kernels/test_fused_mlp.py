"""One kernel for an MLP against plain torch: the twins here, the kernels as they run on a GPU."""

import subprocess
import sys
from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from engine.kernels.fused_mlp import ACTIVATIONS, backward_by_torch, forward_by_torch, fused_mlp
from engine.models import GPTSettings
from engine.models.build import build_model

R, B, A, C, F = 3, 7, 2, 10, 20
MLP = Callable[..., Tensor]


def _inputs() -> list[Tensor]:
    """Rows, matrices and biases of several runs."""
    draw = torch.Generator().manual_seed(0)
    shapes = (R, B, A, C), (R, C, F), (R, F), (R, F, C), (R, C)
    return [torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in shapes]


def _plain(kind: str) -> MLP:
    def mlp(x: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, b_out: Tensor) -> Tensor:
        return ACTIVATIONS[kind].of(x @ w_in + b_in) @ w_out + b_out

    return mlp


def _fused(kind: str) -> MLP:
    def mlp(*inputs: Tensor) -> Tensor:
        return fused_mlp(*inputs, activation=kind, precision="tf32")

    return mlp


def _with_gradients(mlp: MLP, inputs: list[Tensor]) -> list[Tensor]:
    leaves = [x.clone().requires_grad_() for x in inputs]
    out = torch.vmap(mlp)(*leaves)
    return [out, *torch.autograd.grad((out**2).sum(), leaves)]


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_values_and_gradients_of_many_runs_equal_plain_torch(kind: str):
    ours, theirs = (_with_gradients(made(kind), _inputs()) for made in (_fused, _plain))
    for got, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


def test_the_functional_gradient_is_the_same():
    inputs = _inputs()

    def loss(inputs: list[Tensor]) -> Tensor:
        return (torch.vmap(_fused("gelu"))(*inputs) ** 2).sum()

    wanted = _with_gradients(_plain("gelu"), inputs)[1:]
    for got, other in zip(torch.func.grad(loss)(inputs), wanted, strict=True):
        torch.testing.assert_close(got, other, rtol=1e-12, atol=1e-12)


def test_absent_biases_are_zero():
    x, w_in, b_in, w_out, b_out = (each[0] for each in _inputs())
    how = {"activation": "relu", "precision": "tf32"}
    zeros = fused_mlp(x, w_in, b_in * 0, w_out, b_out * 0, **how)
    assert torch.equal(fused_mlp(x, w_in, None, w_out, None, **how), zeros)


def test_operands_are_rounded_to_bfloat16_and_sums_are_not():
    inputs = [x.float().flatten(1, -2) if x.ndim == 4 else x.float() for x in _inputs()]
    exact = forward_by_torch(*inputs, "relu", "tf32")
    coarse = forward_by_torch(*inputs, "relu", "bfloat16")
    gap = (coarse - exact).norm() / exact.norm()
    assert 1e-4 < gap < 1e-2  # bfloat16 has 8 bits
    given = torch.ones_like(inputs[0])
    found = backward_by_torch(given, *inputs[:4], "relu", "bfloat16")
    # ones are ones in any type, so that this one is a sum over rows alone
    hidden = inputs[0].bfloat16().float() @ inputs[1].bfloat16().float() + inputs[2][:, None]
    wanted = hidden.relu().bfloat16().float().sum(1)[..., None].expand(-1, -1, C)
    torch.testing.assert_close(found.w_out, wanted)


@pytest.mark.parametrize(
    ("activation", "norm", "bias"), [*product(ACTIVATIONS, ("none", "pre"), (True, False))]
)
def test_a_network_is_the_same_with_its_mlps_in_one_kernel(activation: str, norm: str, bias: bool):
    settings = GPTSettings(
        n_layers=2,
        d_model=16,
        n_heads=2,
        d_mlp=24,
        activation=activation,  # pyright: ignore[reportArgumentType]
        norm=norm,  # pyright: ignore[reportArgumentType]
        mlp_bias=bias,
    )
    network = build_model(settings, vocab_size=9, length=3)
    network.reset(torch.Generator().manual_seed(1))
    tokens = torch.randint(9, (5, 3), generator=torch.Generator().manual_seed(2))

    def found() -> list[Tensor]:
        logits = network(tokens, (1, 2))
        return [logits, *torch.autograd.grad((logits**2).sum(), list(network.parameters()))]

    before = found()
    network.fuse("tf32")
    for got, wanted in zip(found(), before, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)
    network.fuse("bfloat16")
    assert not torch.equal(network(tokens, (1, 2)), before[0]), "the kernel was not taken"


@pytest.mark.long
@pytest.mark.parametrize("script", ["interpreted_kernels", "compiled_kernels"])
def test_the_kernels_themselves(script: str):
    """Their arithmetic by Triton's interpreter, and that each fits on the smallest GPU."""
    command = [sys.executable, "-m", f"tests.engine.kernels.{script}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
