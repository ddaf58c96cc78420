"""One layer's logits with a way back to its weights that is put together by hand.

The loops of `engine.kernels` each bring their own gradient. Joined by autograd, as in
`engine.models.gpt.one_layer`, a step of the smallest networks spends half of its time between
them: on nodes of a graph that is always the same, and on room for arrays that always have the same
shapes. Here they call each other, and write where the last step has written; the numbers are the
same to the bit, which the tests compare.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``V`` vocabulary, ``C`` d_model.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.kernels.folded_weights import FoldedWeights
from engine.kernels.threads import by_shares
from engine.models.gpt.folded import Folded
from engine.models.gpt.occurring import Occurring
from engine.models.network import Then
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


def applies(
    parameters: Mapping[str, Tensor],
    occurring: Occurring,
    read: tuple[int, ...],
    dtype: torch.dtype,
) -> bool:
    """Whether there is such a way under these parameters, with products of that type."""
    reference = occurring.reference(read)
    # the columns of the attention weights lie as they are summed
    ordered = reference is None or reference.position == occurring.length - 1
    return ordered and may_loop(parameters, dtype)


def may_loop(parameters: Mapping[str, Tensor], dtype: torch.dtype) -> bool:
    """Whether loops can read these parameters where they lie, with products of that type."""
    lie_still = all(x.is_contiguous() for x in parameters.values())
    types = {dtype, *(x.dtype for x in parameters.values())}
    return lie_still and torch.float64 not in types


def weights_of(parameters: Mapping[str, Tensor], positions: Float[Tensor, "T C"]) -> FoldedWeights:
    """The layer's weights by their names; `positions` where the network learns none."""
    found: dict[str, Any] = {own: parameters.get(name) for own, name in NAMES.items()}
    if found["positions"] is None:
        found["positions"] = positions
    if found["unembedding"] is None:
        found["unembedding"] = found["embedding"]
    return FoldedWeights(**found)


class Room:
    """What a step writes on its way, of any weights of one shape.

    What it gave is written over by the next step, whose ever it is.
    """

    def __init__(
        self,
        weights: FoldedWeights,
        n_heads: int,
        occurring: Occurring,
        read: tuple[int, ...],
        dtype: torch.dtype,
    ) -> None:
        # Numba is imported where its loops are called
        from engine.kernels import folded_rooms
        from engine.kernels.buffers import Buffers
        from engine.kernels.layouts import is_paired

        self.paired, reference = is_paired(dtype), occurring.reference(read)
        self.occurring, self.read = occurring, read
        given = folded_rooms.given_of(weights, occurring.read_rows(read))
        self.sizes = folded_rooms.sizes_of(
            given,
            n_heads=n_heads,
            reference=None if reference is None else reference.row,
            paired=self.paired,
        )
        self.unseen = unseen_from(read, occurring.length).numpy()
        self.folded = folded_rooms.room_forward(given, self.sizes)
        self.folded_back = folded_rooms.room_backward(given, self.folded, self.sizes)
        F, V = given.w_in.shape[1], len(given.unembedding)
        self.tables = folded_rooms.room_of_tables(given, self.sizes)
        self.through = self.tables.through[:F, :V]
        self.to_products = np.empty_like(self.tables.products)
        self._buffers = Buffers()
        self._by_number: dict[int, OfExamples] = {}
        self._most = 0
        self._last: tuple[Tensor, OfExamples] | None = None

    def made(self) -> Folded:
        """The tables of the last step."""
        return Folded(*map(torch.from_numpy, (*self.tables[:3], self.through)))

    def of(self, tokens: Int[Tensor, "B T"]) -> "OfExamples":
        """Room for these examples: the same memory for any number of them."""
        if self._last is not None and self._last[0] is tokens:
            return self._last[1]
        n = len(tokens)
        if n > self._most:
            # what the others have is too small and was given up
            self._by_number, self._most = {}, n
        if n not in self._by_number:
            self._by_number[n] = OfExamples(self, tokens, self._buffers.take)
        own = self._by_number[n]
        own.take(self, tokens)
        self._last = tokens, own
        return own


class OfExamples:
    """The part of a step's room that depends on the number of examples."""

    def __init__(self, room: Room, tokens: Int[Tensor, "B T"], take: Any) -> None:
        from engine.kernels import rectified_layer

        T, tables = tokens.shape[1], room.tables
        self.rows, asked, by_head = _sought(room, tokens)
        attention = take("attention", (len(asked), T * room.sizes.n_heads), np.float32)
        self.given = rectified_layer.Given(
            tables.table, tables.base, attention, by_head, asked, room.through
        )
        self.layer = rectified_layer.room_forward(
            self.given, paired=room.paired, keeps=True, take=take
        )
        self.back = rectified_layer.room_backward(self.given, paired=room.paired, take=take)
        self.logits = torch.from_numpy(self.layer.logits)
        self.to_logits = torch.from_numpy(self.back.gradient.wide)[: len(asked)]

    def take(self, room: Room, tokens: Int[Tensor, "B T"]) -> None:
        """Take other examples, as many of them."""
        self.rows, asked, by_head = _sought(room, tokens)
        self.given = self.given._replace(rows=by_head, asked=asked)


def _sought(room: Room, tokens: Int[Tensor, "B T"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = room.occurring.looked_up(tokens, room.read)
    return found.rows.numpy(), found.asked.numpy(), found.by_head.numpy()


class FoldedLayer:
    """One layer under weights that stay where they are, and so do their gradients."""

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        positions: Float[Tensor, "T C"],
        occurring: Occurring,
        read: tuple[int, ...],
    ) -> None:
        from engine.kernels.folded_rooms import N_WEIGHTS, given_of

        self.weights = weights_of(parameters, positions)
        self.given = given_of(self.weights, occurring.read_rows(read))
        # of what the network has not, the gradient is written beside
        to = [
            gradients[name].numpy() if name in gradients else np.empty_like(own)
            for name, own in zip(NAMES.values(), self.given[:N_WEIGHTS], strict=True)
        ]
        self._to = self.given._replace(**dict(zip(NAMES, to, strict=True)))
        self._tied = NAMES["unembedding"] not in parameters

    def forward(self, room: Room, tokens: Int[Tensor, "B T"], then: Then) -> OfExamples:
        """What holds the logits, and what `backward` needs to know of the examples.

        Threads share the results; each takes its own from attention to the loss's gradient.
        """
        from engine.kernels import folded_tables, looked_up, rectified_layer
        from engine.kernels.layouts import lay_out
        from engine.kernels.products import TILE_ROWS

        tables, sizes, own = room.tables, room.sizes, room.of(tokens)
        given, asked = own.given, own.given.asked
        beside = (
            partial(rectified_layer.lay_out_forward, given, own.layer),
            partial(rectified_layer.lay_out_backward, given, own.back),
        )
        folded_tables.forward(self.given, room.folded, sizes, tables, beside=beside)
        sought = tables.products, own.rows, asked, room.unseen, sizes.d_head**-0.5, given.weights
        take = then(own.logits, own.to_logits)

        def part(share: slice, thread: int) -> None:
            looked_up.look(*sought, share)
            rectified_layer.forward(given, own.layer, share, thread, paired=room.paired)
            take(share)
            lay_out(share, own.back.gradient, R=len(asked))

        by_shares(part, len(asked), of=TILE_ROWS)
        return own

    def backward(self, room: Room, own: OfExamples) -> None:
        """Write the gradients of the weights, that of the logits being there."""
        from engine.kernels import folded_tables, looked_up, rectified_layer

        layer = own.back
        rectified_layer.backward(own.given, own.layer.hidden, layer, paired=room.paired)
        made = folded_tables.Made(self.given, room.folded, room.sizes)
        F, V = room.through.shape
        to_through = np.ascontiguousarray(layer.through[:V, :F])
        of_tables = room.to_products, layer.table, layer.base, to_through

        def relate() -> None:
            ends = own.given.weights, room.sizes.d_head**-0.5, room.to_products
            looked_up.look_back(layer.weights, own.rows, own.given.asked, *ends)

        folded_tables.backward(
            made, room.folded_back, folded_tables.Tables(*of_tables), self._to, relate=relate
        )
        if self._tied:
            self._to.embedding[:] += self._to.unembedding
