"""One layer's logits with a way back to its weights that is put together by hand.

The loops of `engine.kernels` each bring their own gradient. Joined by autograd, as in
`engine.models.gpt.one_layer`, a step of the smallest networks spends a fifth of its time between
them: on nodes of a graph that is always the same. Here they call each other; the numbers are the
same to the bit, which the tests compare.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.models.gpt.folded import Folded, FoldedWeights, or_zeros
from engine.models.gpt.occurring import Occurring
from engine.models.positions import unseen_from

NAMES = {
    "embedding": "transformer.wte.weight",
    "positions": "transformer.wpe.weight",
    "qkv": "transformer.h.0.attn.c_attn.weight",
    "qkv_bias": "transformer.h.0.attn.c_attn.bias",
    "out": "transformer.h.0.attn.c_proj.weight",
    "out_bias": "transformer.h.0.attn.c_proj.bias",
    "w_in": "transformer.h.0.mlp.c_fc.weight",
    "in_bias": "transformer.h.0.mlp.c_fc.bias",
    "w_out": "transformer.h.0.mlp.c_proj.weight",
    "mlp_bias": "transformer.h.0.mlp.c_proj.bias",
    "unembedding": "lm_head.weight",
}
"""What the network calls `FoldedWeights`."""

Back = Callable[[Float[Tensor, "B A V"]], FoldedWeights]
"""The gradient of the logits → those of the weights."""


def applies(occurring: Occurring, read: tuple[int, ...]) -> bool:
    """Whether the columns of the attention weights lie as they are summed."""
    reference = occurring.reference(read)
    return reference is None or reference.position == occurring.length - 1


def weights_of(parameters: Mapping[str, Tensor], positions: Float[Tensor, "T C"]) -> FoldedWeights:
    """The layer's weights by their names; `positions` where the network learns none."""
    found: dict[str, Any] = {own: parameters.get(name) for own, name in NAMES.items()}
    if found["positions"] is None:
        found["positions"] = positions
    if found["unembedding"] is None:
        found["unembedding"] = found["embedding"]
    return FoldedWeights(**found)


def by_name(gradients: FoldedWeights, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The gradients of those of the parameters that the layer has; see `weights_of`."""
    found: dict[str, Any] = dict(zip(NAMES.values(), gradients, strict=True))
    if NAMES["unembedding"] not in parameters:
        found[NAMES["embedding"]] = gradients.embedding + gradients.unembedding
    return {name: found[name] for name in parameters}


def folded_layer(
    weights: FoldedWeights,
    n_heads: int,
    tokens: Int[Tensor, "B T"],
    read: tuple[int, ...],
    *,
    occurring: Occurring,
    dtype: torch.dtype,
) -> tuple[Float[Tensor, "B A V"], Back, Folded]:
    """Logits at the positions `read`, the way back, and the tables behind them; all in float32."""
    # Numba is imported where its loops are called
    from engine.kernels import folded_tables, rectified_layer
    from engine.kernels.looked_up import look_up
    from engine.kernels.row_sums import Places

    own = folded_tables.Weights(*or_zeros(weights))
    rows = folded_tables.Rows(occurring.tokens, occurring.positions, occurring.of_positions(read))
    reference = occurring.reference(read)
    row = None if reference is None else reference.row
    tables = folded_tables.tables_of(own, rows, n_heads=n_heads, reference=row, dtype=dtype)
    found = occurring.looked_up(tokens, read)
    sought = (found.rows, found.asked, unseen_from(read, tokens.shape[1]))
    scale = (len(own.out) // n_heads) ** -0.5
    places = Places(look_up(tables.products, *sought, scale), found.by_head, found.asked)
    layer = rectified_layer.Layer(tables.table, tables.base, places, tables.through, dtype)
    logits, kept = rectified_layer.logits_of(layer, keeps=True)
    passed = _Passed(tables, layer, kept, found.rows, scale)
    found_logits = logits.view(len(tokens), len(read), -1)
    return found_logits, partial(_back, passed), Folded(*tables[:4])


class _Passed(NamedTuple):
    """What the way back needs to know."""

    tables: Any
    layer: Any
    hidden: Tensor
    rows: Tensor
    scale: float


def _back(passed: _Passed, gradient: Tensor) -> FoldedWeights:
    from engine.kernels import folded_tables, rectified_layer
    from engine.kernels.looked_up import look_back

    tables, layer = passed.tables, passed.layer
    flat = gradient.flatten(0, 1)
    to_table, to_base, to_weights, to_through = rectified_layer.gradients_of(
        layer, passed.hidden, flat
    )
    weights, _, asked = layer.places
    shape = tables.products.shape
    to_products = look_back(to_weights, passed.rows, asked, weights, shape, passed.scale)
    found = folded_tables.gradients_of(tables.made, to_products, to_table, to_base, to_through)
    return FoldedWeights(*found)
