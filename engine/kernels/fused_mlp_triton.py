# What Triton compiles is Python in name alone: arguments are pointers, constants are types.
# pyright: basic, reportArgumentType=false, reportCallIssue=false
"""The MLP of a small decoder as three CUDA kernels: `engine.kernels.fused_mlp` says what they are.

Each program works on one run. Forward and the gradient of the rows go over tiles of rows and,
within, over tiles of the hidden width; the gradient of the weights goes the other way round and
keeps its sums in registers. The hidden layer is computed anew in each of them, since reading it
would take longer than multiplying it.

Sums over rows are taken in `n_shares` parts that are added afterwards, in a fixed order: no
atomic addition, so the same program gives the same bits.

Shapes: ``R`` runs, ``N`` rows, ``C`` d_model, ``F`` d_mlp, ``S`` shares of the rows.
"""

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor


class Tile(NamedTuple):
    """What one program holds at a time."""

    rows: int
    hidden: int


def tile(kernel: str, precision: str) -> Tile:
    """The tile of one of the kernels `forward`, `rows`, `weights`.

    Sized so that every CUDA device from Ampere on has the shared memory for it (`SHARED_BYTES`)
    and no register is spilled, at the widest residual stream.
    """
    if kernel == "forward" or (kernel == "rows" and precision == "bfloat16"):
        return Tile(64, 32)
    return Tile(32, 32)


SHARED_BYTES = 99 * 1024
"""What a block may have on the smallest of them."""
WARPS, STAGES = 8, 2
PROGRAMS = 256
"""Programs that keep all multiprocessors of a large GPU busy, with two each."""
LEAST_TILES = 4
"""Tiles of rows that one share has at least."""


@triton.jit
def _activated(h, KIND: tl.constexpr):
    if KIND == "relu":
        out = tl.maximum(h, 0.0)
    elif KIND == "gelu":
        out = 0.5 * h * (1.0 + tl.erf(h * 0.7071067811865476))
    else:
        # 0.5 (1 + tanh u) is the logistic function of 2u
        u = 0.7978845608028654 * (h + 0.044715 * h * h * h)
        out = h / (1.0 + tl.exp(-2.0 * u))
    return out


@triton.jit
def _slope(h, KIND: tl.constexpr):
    if KIND == "relu":
        out = tl.where(h > 0.0, 1.0, 0.0)
    elif KIND == "gelu":
        density = 0.3989422804014327 * tl.exp(-0.5 * h * h)
        out = 0.5 * (1.0 + tl.erf(h * 0.7071067811865476)) + h * density
    else:
        u = 0.7978845608028654 * (h + 0.044715 * h * h * h)
        share = 1.0 / (1.0 + tl.exp(-2.0 * u))
        rise = 0.7978845608028654 * (1.0 + 0.134145 * h * h)
        out = share + h * share * (1.0 - share) * 2.0 * rise
    return out


@triton.jit
def _rows(x, run, n, c, N, C: tl.constexpr, DTYPE: tl.constexpr):
    """A tile of [R, N, C]."""
    inside = (n < N)[:, None] & (c < C)[None, :]
    return tl.load(x + run * N * C + n[:, None] * C + c[None, :], mask=inside, other=0.0).to(DTYPE)


@triton.jit
def _way_in(w_in, run, c, f, C: tl.constexpr, F: tl.constexpr, DTYPE: tl.constexpr):
    """Columns of [R, C, F]."""
    inside = (c < C)[:, None] & (f < F)[None, :]
    return tl.load(w_in + run * C * F + c[:, None] * F + f[None, :], mask=inside, other=0.0).to(
        DTYPE
    )


@triton.jit
def _way_out(w_out, run, f, c, C: tl.constexpr, F: tl.constexpr, DTYPE: tl.constexpr):
    """Rows of [R, F, C]."""
    inside = (f < F)[:, None] & (c < C)[None, :]
    return tl.load(w_out + run * F * C + f[:, None] * C + c[None, :], mask=inside, other=0.0).to(
        DTYPE
    )


@triton.jit
def forward_kernel(
    x,
    w_in,
    b_in,
    w_out,
    b_out,
    y,
    N,
    C: tl.constexpr,
    F: tl.constexpr,
    N_TILE: tl.constexpr,
    C_TILE: tl.constexpr,
    F_TILE: tl.constexpr,
    KIND: tl.constexpr,
    DTYPE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Y = act(x w_in + b_in) w_out + b_out for one tile of rows."""
    run = tl.program_id(0).to(tl.int64)
    n = tl.program_id(1) * N_TILE + tl.arange(0, N_TILE)
    c = tl.arange(0, C_TILE)
    rows = _rows(x, run, n, c, N, C, DTYPE)
    out = tl.zeros((N_TILE, C_TILE), dtype=tl.float32)
    for start in range(0, F, F_TILE):
        f = start + tl.arange(0, F_TILE)
        into = _way_in(w_in, run, c, f, C, F, DTYPE)
        bias = tl.load(b_in + run * F + f, mask=f < F, other=0.0)
        hidden = tl.dot(rows, into, input_precision=PRECISION) + bias[None, :]
        active = _activated(hidden, KIND).to(DTYPE)
        back = _way_out(w_out, run, f, c, C, F, DTYPE)
        out = tl.dot(active, back, out, input_precision=PRECISION)
    out += tl.load(b_out + run * C + c, mask=c < C, other=0.0)[None, :]
    inside = (n < N)[:, None] & (c < C)[None, :]
    tl.store(y + run * N * C + n[:, None] * C + c[None, :], out, mask=inside)


@triton.jit
def rows_kernel(
    given,
    x,
    w_in,
    b_in,
    w_out,
    to_x,
    N,
    C: tl.constexpr,
    F: tl.constexpr,
    N_TILE: tl.constexpr,
    C_TILE: tl.constexpr,
    F_TILE: tl.constexpr,
    KIND: tl.constexpr,
    DTYPE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """The gradient of x, (given w_outᵀ ⊙ act′) w_inᵀ, for one tile of rows."""
    run = tl.program_id(0).to(tl.int64)
    n = tl.program_id(1) * N_TILE + tl.arange(0, N_TILE)
    c = tl.arange(0, C_TILE)
    rows = _rows(x, run, n, c, N, C, DTYPE)
    gradient = _rows(given, run, n, c, N, C, DTYPE)
    out = tl.zeros((N_TILE, C_TILE), dtype=tl.float32)
    for start in range(0, F, F_TILE):
        f = start + tl.arange(0, F_TILE)
        into = _way_in(w_in, run, c, f, C, F, DTYPE)
        bias = tl.load(b_in + run * F + f, mask=f < F, other=0.0)
        hidden = tl.dot(rows, into, input_precision=PRECISION) + bias[None, :]
        back = _way_out(w_out, run, f, c, C, F, DTYPE)
        to_active = tl.dot(gradient, tl.trans(back), input_precision=PRECISION)
        to_hidden = (to_active * _slope(hidden, KIND)).to(DTYPE)
        out = tl.dot(to_hidden, tl.trans(into), out, input_precision=PRECISION)
    inside = (n < N)[:, None] & (c < C)[None, :]
    tl.store(to_x + run * N * C + n[:, None] * C + c[None, :], out, mask=inside)


@triton.jit
def weights_kernel(
    given,
    x,
    w_in,
    b_in,
    w_out,
    to_w_in,
    to_b_in,
    to_w_out,
    N,
    n_rows,
    C: tl.constexpr,
    F: tl.constexpr,
    N_TILE: tl.constexpr,
    C_TILE: tl.constexpr,
    F_TILE: tl.constexpr,
    KIND: tl.constexpr,
    DTYPE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """The gradients of w_in, b_in, w_out for one tile of the hidden width and one share of rows.

    A share has `n_rows` rows. The results' shapes are [S, R, C, F], [S, R, F], [S, R, F, C].
    """
    run = tl.program_id(0).to(tl.int64)
    f = tl.program_id(1) * F_TILE + tl.arange(0, F_TILE)
    share = tl.program_id(2)
    c = tl.arange(0, C_TILE)
    into = _way_in(w_in, run, c, f, C, F, DTYPE)
    back = tl.trans(_way_out(w_out, run, f, c, C, F, DTYPE))
    bias = tl.load(b_in + run * F + f, mask=f < F, other=0.0)
    of_w_in = tl.zeros((C_TILE, F_TILE), dtype=tl.float32)
    of_w_out = tl.zeros((C_TILE, F_TILE), dtype=tl.float32)  # transposed
    of_b_in = tl.zeros((F_TILE,), dtype=tl.float32)
    first = share * n_rows
    for start in range(first, tl.minimum(first + n_rows, N), N_TILE):
        n = start + tl.arange(0, N_TILE)
        rows = _rows(x, run, n, c, N, C, DTYPE)
        gradient = _rows(given, run, n, c, N, C, DTYPE)
        hidden = tl.dot(rows, into, input_precision=PRECISION) + bias[None, :]
        active = _activated(hidden, KIND).to(DTYPE)
        of_w_out = tl.dot(tl.trans(gradient), active, of_w_out, input_precision=PRECISION)
        to_active = tl.dot(gradient, back, input_precision=PRECISION)
        to_hidden = to_active * _slope(hidden, KIND)
        of_b_in += tl.sum(to_hidden, 0)
        of_w_in = tl.dot(tl.trans(rows), to_hidden.to(DTYPE), of_w_in, input_precision=PRECISION)
    run = run + share * tl.num_programs(0)
    inside = (c < C)[:, None] & (f < F)[None, :]
    tl.store(to_w_in + run * C * F + c[:, None] * F + f[None, :], of_w_in, mask=inside)
    tl.store(to_b_in + run * F + f, of_b_in, mask=f < F)
    tl.store(to_w_out + run * F * C + f[None, :] * C + c[:, None], of_w_out, mask=inside)


def forward(
    x: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, b_out: Tensor, kind: str, precision: str
) -> Tensor:
    """What the MLP gives, [R, N, C] in float32."""
    x, w_in, b_in, w_out, b_out = (each.contiguous() for each in (x, w_in, b_in, w_out, b_out))
    (R, N, C), F = x.shape, w_in.shape[2]
    y = torch.empty_like(x)
    options = options_of("forward", C, kind, precision)
    forward_kernel[R, _tiles(N, options["N_TILE"])](
        x, w_in, b_in, w_out, b_out, y, N, C, F, **options
    )
    return y


def backward(
    given: Tensor, x: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, kind: str, precision: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of x, w_in, b_in, w_out."""
    sources = [each.contiguous() for each in (given, x, w_in, b_in, w_out)]
    (R, N, C), F = x.shape, w_in.shape[2]
    to_x = torch.empty_like(x)
    options = options_of("rows", C, kind, precision)
    rows_kernel[R, _tiles(N, options["N_TILE"])](*sources, to_x, N, C, F, **options)
    options = options_of("weights", C, kind, precision)
    n_tiles = _tiles(F, options["F_TILE"])
    n_rows, S = shares(N, R * n_tiles, size=options["N_TILE"])
    parts = [x.new_empty(S, *like.shape) for like in (w_in, b_in, w_out)]
    weights_kernel[R, n_tiles, S](*sources, *parts, N, n_rows, C, F, **options)
    to_w_in, to_b_in, to_w_out = (part.sum(0) for part in parts)
    return to_x, to_w_in, to_b_in, to_w_out


def shares(n_rows: int, n_programs: int, *, size: int) -> tuple[int, int]:
    """How many rows one share has, and how many shares there are.

    Args:
        n_rows: rows of one run.
        n_programs: programs that one share of each run takes.
        size: rows of a tile.
    """
    most = max(_tiles(n_rows, LEAST_TILES * size), 1)
    wanted = min(max(PROGRAMS // n_programs, 1), most)
    each = max(_tiles(_tiles(n_rows, wanted), size), 1) * size
    return each, max(_tiles(n_rows, each), 1)


def options_of(kernel: str, C: int, kind: str, precision: str) -> dict[str, Any]:
    """What is fixed when one of the kernels is compiled."""
    own = tile(kernel, precision)
    return {
        "N_TILE": own.rows,
        "C_TILE": max(triton.next_power_of_2(C), 16),
        "F_TILE": own.hidden,
        "KIND": kind,
        "DTYPE": tl.bfloat16 if precision == "bfloat16" else tl.float32,
        "PRECISION": "tf32" if precision == "tf32" else "ieee",
        "num_warps": WARPS,
        "num_stages": STAGES,
    }


def _tiles(n: int, size: int) -> int:
    return -(-n // size)
