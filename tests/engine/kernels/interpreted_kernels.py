"""Run the kernels of the fused MLP by Triton's interpreter, and compare them with their twins.

A process of its own: whether Triton interprets is decided when it is imported.
"""

import os

os.environ["TRITON_INTERPRET"] = "1"

from itertools import product
from typing import Any

import numpy as np
import torch
import triton.language as tl
from torch import Tensor
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

from engine.kernels import fused_mlp_triton
from engine.kernels.fused_mlp import ACTIVATIONS, backward_by_torch, forward_by_torch

_dot = InterpreterBuilder.create_dot


def _wide(operand: TensorHandle) -> TensorHandle:
    """The interpreter keeps bfloat16 as whole numbers, and would multiply these."""
    if operand.dtype.scalar != tl.bfloat16:
        return operand
    return TensorHandle((operand.data.astype(np.uint32) << 16).view(np.float32), tl.float32)


def _dot_of_wide(self: Any, a: TensorHandle, b: TensorHandle, *rest: Any) -> TensorHandle:
    return _dot(self, _wide(a), _wide(b), *rest)


InterpreterBuilder.create_dot = _dot_of_wide


def _gap(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


# widths that fill no tile, several shares of the rows, one row, the widest
SIZES = (2, 70, 20, 40), (1, 700, 16, 32), (3, 1, 33, 17), (1, 100, 128, 128)
WITHIN = {"tf32": 2e-6, "bfloat16": 8e-3}
"""Of the largest number; the interpreter cuts bfloat16's last bits where others round them."""

draw = torch.Generator().manual_seed(0)


def _drawn(*shape: int) -> Tensor:
    """Numbers that are the same in bfloat16."""
    return torch.randn(*shape, generator=draw).bfloat16().float()


for (R, N, C, F), kind, precision in product(SIZES, ACTIVATIONS, WITHIN):
    x, given = _drawn(R, N, C), _drawn(R, N, C)
    w_in, w_out = _drawn(R, C, F) / 4, _drawn(R, F, C) / 4
    b_in, b_out = _drawn(R, F), _drawn(R, C)
    how = kind, precision
    found = fused_mlp_triton.forward(x, w_in, b_in, w_out, b_out, *how)
    gaps = [_gap(found, forward_by_torch(x, w_in, b_in, w_out, b_out, *how))]
    ours = fused_mlp_triton.backward(given, x, w_in, b_in, w_out, *how)
    theirs = backward_by_torch(given, x, w_in, b_in, w_out, *how)
    gaps += [_gap(*each) for each in zip(ours, theirs, strict=True)]
    assert max(gaps) < WITHIN[precision], (R, N, C, F, kind, precision, gaps)
