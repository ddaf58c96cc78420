"""Compile the kernels of the fused MLP for GPUs that are not here, and ask what they take."""

from itertools import product
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from engine.kernels import fused_mlp_triton
from engine.models.gpt.settings import WIDEST_FUSED

KERNELS = {
    "forward": fused_mlp_triton.forward_kernel,
    "rows": fused_mlp_triton.rows_kernel,
    "weights": fused_mlp_triton.weights_kernel,
}
CAPABILITIES = 80, 90
"""A100 and H100: smaller ones from Ampere on take the code of the first."""


def _shared_bytes(name: str, precision: str, capability: int) -> int:
    kernel: Any = KERNELS[name]
    fixed = fused_mlp_triton.options_of(name, WIDEST_FUSED, "gelu", precision)
    options = {key: fixed.pop(key) for key in ("num_warps", "num_stages")}
    fixed |= {"C": WIDEST_FUSED, "F": 4 * WIDEST_FUSED}
    kinds = {
        each: "constexpr" if each in fixed else "i32" if each in ("N", "n_rows") else "*fp32"
        for each in kernel.arg_names
    }
    aligned = {
        (place,): [["tt.divisibility", 16]]
        for place, kind in enumerate(kinds.values())
        if kind == "*fp32"
    }
    source = ASTSource(fn=kernel, signature=kinds, constexprs=fixed, attrs=aligned)
    target = GPUTarget("cuda", capability, 32)
    return triton.compile(source, target=target, options=options).metadata.shared


for name, precision, capability in product(KERNELS, ("tf32", "bfloat16"), CAPABILITIES):
    taken = _shared_bytes(name, precision, capability)
    assert taken <= fused_mlp_triton.SHARED_BYTES, (name, precision, capability, taken)
