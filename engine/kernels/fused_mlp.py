"""How an MLP is computed without its hidden layer ever being written to memory.

    y = act(x · w_in + b_in) · w_out + b_out

On a GPU a step of a small network is bound by memory traffic, and the hidden layer is the largest
thing in it: forward and backward, torch writes it out twice and reads it six times. A tile of it
fits on the chip beside the weights, so that one kernel goes from the rows to the MLP's output,
and two more to the gradients; these compute it again (`engine.kernels.fused_mlp_triton`).

Operands of the products are rounded to the type of `precision`, sums are taken in float32, and so
are biases and the non-linearity. The twins here do the same with torch and are what the kernels
are tested against; they run on every device that has no kernel.

Shapes: ``R`` runs, ``N`` rows, ``C`` d_model, ``F`` d_mlp.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Activation(NamedTuple):
    """A non-linearity that the kernels know."""

    of: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def _gelu(approximate: str) -> Activation:
    def of(x: Tensor) -> Tensor:
        return functional.gelu(x, approximate=approximate)

    def slope(x: Tensor) -> Tensor:
        return torch.ops.aten.gelu_backward(torch.ones_like(x), x, approximate=approximate)

    return Activation(of, slope)


def _slope_of_relu(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype)


ACTIVATIONS = {
    "relu": Activation(functional.relu, _slope_of_relu),
    "gelu": _gelu("none"),
    "gelu_tanh": _gelu("tanh"),
}


class Gradients(NamedTuple):
    """What the gradient of the output gives."""

    x: Tensor
    w_in: Tensor
    b_in: Tensor
    w_out: Tensor


def fused_mlp(
    x: Tensor,
    w_in: Tensor,
    b_in: Tensor | None,
    w_out: Tensor,
    b_out: Tensor | None,
    *,
    activation: str,
    precision: str,
) -> Tensor:
    """The MLP's output (*rows, C) for `x` (*rows, C), `w_in` (C, F) and `w_out` (F, C).

    Under `torch.vmap` over runs, all of them take one launch.
    """
    F, C = w_out.shape
    one_run = [
        x.reshape(1, -1, C),
        w_in[None],
        (w_in.new_zeros(F) if b_in is None else b_in)[None],
        w_out[None],
        (w_in.new_zeros(C) if b_out is None else b_out)[None],
    ]
    return _FusedMLP.apply(*one_run, activation, precision).view(x.shape)


def forward_by_torch(
    x: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, b_out: Tensor, kind: str, precision: str
) -> Tensor:
    """What the forward kernel computes, [R, N, C], by operations of torch."""
    x, w_in, w_out = (rounded(each, precision) for each in (x, w_in, w_out))
    hidden = torch.baddbmm(b_in.unsqueeze(1), x, w_in)
    active = rounded(ACTIVATIONS[kind].of(hidden), precision)
    return torch.baddbmm(b_out.unsqueeze(1), active, w_out)


def backward_by_torch(
    given: Tensor, x: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, kind: str, precision: str
) -> Gradients:
    """What the backward kernels compute, by operations of torch."""
    given, x, w_in, w_out = (rounded(each, precision) for each in (given, x, w_in, w_out))
    hidden = torch.baddbmm(b_in.unsqueeze(1), x, w_in)
    to_hidden = (given @ w_out.mT) * ACTIVATIONS[kind].slope(hidden)
    to_b_in, to_hidden = to_hidden.sum(1), rounded(to_hidden, precision)
    to_w_out = rounded(ACTIVATIONS[kind].of(hidden), precision).mT @ given
    return Gradients(to_hidden @ w_in.mT, x.mT @ to_hidden, to_b_in, to_w_out)


def rounded(x: Tensor, precision: str) -> Tensor:
    """The operand of a product, still in its own type."""
    return x.to(torch.bfloat16).to(x.dtype) if precision == "bfloat16" else x


_LIBRARY = torch.library.Library("grokking_lab", "DEF")
"""Where the two operations are made known to torch: vmap and the compiler ask it."""
_PARAMETERS = "Tensor x, Tensor w_in, Tensor b_in, Tensor w_out"
_HOW = "str kind, str precision"
_LIBRARY.define(f"fused_mlp({_PARAMETERS}, Tensor b_out, {_HOW}) -> Tensor")
_LIBRARY.define(
    f"fused_mlp_backward(Tensor given, {_PARAMETERS}, {_HOW}) -> (Tensor, Tensor, Tensor, Tensor)"
)
_forward = torch.ops.grokking_lab.fused_mlp.default
_backward = torch.ops.grokking_lab.fused_mlp_backward.default
_LIBRARY.impl("fused_mlp", forward_by_torch, "CompositeExplicitAutograd")
_LIBRARY.impl("fused_mlp_backward", backward_by_torch, "CompositeExplicitAutograd")


def _forward_on_cuda(*inputs: Any) -> Tensor:
    from engine.kernels import fused_mlp_triton

    return fused_mlp_triton.forward(*inputs)


def _backward_on_cuda(*inputs: Any) -> Gradients:
    from engine.kernels import fused_mlp_triton

    return Gradients(*fused_mlp_triton.backward(*inputs))


_LIBRARY.impl("fused_mlp", _forward_on_cuda, "CUDA")
_LIBRARY.impl("fused_mlp_backward", _backward_on_cuda, "CUDA")


def _shape_of_output(x: Tensor, *_: Any) -> Tensor:
    return x.new_empty(x.shape)


def _shapes_of_gradients(
    given: Tensor,  # noqa: ARG001
    x: Tensor,
    w_in: Tensor,
    b_in: Tensor,
    w_out: Tensor,
    *_: Any,
) -> Gradients:
    return Gradients(*(each.new_empty(each.shape) for each in (x, w_in, b_in, w_out)))


torch.library.register_fake(_forward, _shape_of_output, lib=_LIBRARY)
torch.library.register_fake(_backward, _shapes_of_gradients, lib=_LIBRARY)


class _FusedMLP(torch.autograd.Function):
    """The two operations as one with a gradient, for autograd and for `torch.func`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        x: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, b_out: Tensor, kind: str, how: str
    ) -> Tensor:
        return _forward(x, w_in, b_in, w_out, b_out, kind, how)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        x, w_in, b_in, w_out, _, ctx.kind, ctx.precision = inputs
        ctx.save_for_backward(x, w_in, b_in, w_out)

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        found = _backward(given, *ctx.saved_tensors, ctx.kind, ctx.precision)
        return *found, given.sum(1), None, None


def _over_runs(
    operation: Callable[..., Any], info: Any, in_dims: tuple[int | None, ...], inputs: Any
) -> tuple[Any, Any]:
    """Runs in front of each tensor's own first dimension, and both as one."""
    R = info.batch_size
    tensors = [
        (x.expand(R, *x.shape) if dim is None else x.movedim(dim, 0)).flatten(0, 1)
        for x, dim in zip(inputs, in_dims, strict=True)
        if isinstance(x, Tensor)
    ]
    found = operation(*tensors, *(x for x in inputs if not isinstance(x, Tensor)))
    if isinstance(found, Tensor):
        return found.unflatten(0, (R, -1)), 0
    return tuple(each.unflatten(0, (R, -1)) for each in found), (0,) * len(found)


def _forward_over_runs(info: Any, in_dims: Any, *inputs: Any) -> tuple[Any, Any]:
    return _over_runs(_forward, info, in_dims, inputs)


def _backward_over_runs(info: Any, in_dims: Any, *inputs: Any) -> tuple[Any, Any]:
    return _over_runs(_backward, info, in_dims, inputs)


torch.library.register_vmap(_forward, _forward_over_runs, lib=_LIBRARY)  # pyright: ignore[reportCallIssue, reportOptionalCall]
torch.library.register_vmap(_backward, _backward_over_runs, lib=_LIBRARY)  # pyright: ignore[reportCallIssue, reportOptionalCall]
