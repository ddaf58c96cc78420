"""Several layers' logits by compiled loops on the CPU, with a way back put together by hand.

Each distinct prefix is one row (`engine.models.prefixes`), but for what the first layer makes of
it before positions are mixed: that depends on its last token and position alone. A layer's
attention and MLP are loops that take some rows at a time through norm, products and what lies
between them, and the loops call each other; a pass by torch is some two hundred operations, each
of them a walk through memory and a node of a graph that is always the same. Here is no graph, and
a step writes where the last one has written.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``U`` rows, ``S`` those that are read,
``V`` vocabulary, ``C`` d_model.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.kernels.threads import by_shares, in_any_order, n_threads
from engine.models.gpt.by_hand import may_loop
from engine.models.gpt.layer_by_hand import (
    Back,
    LayerPass,
    LayerWeights,
    array_of,
    weights_of_layer,
)
from engine.models.gpt.settings import DecoderSettings
from engine.models.network import Then
from engine.models.prefixes import Prefixes


def applies(
    settings: DecoderSettings, parameters: Mapping[str, Tensor], dtype: torch.dtype
) -> bool:
    """Whether these loops know such layers, with products of that type."""
    return settings.fits_loops and may_loop(parameters, dtype)


class Room:
    """What a pass writes on its way, of any weights of one shape.

    What it gave is written over by the next one, whose ever it is.
    """

    def __init__(self, settings: DecoderSettings, V: int, dtype: torch.dtype) -> None:
        # Numba is imported where its loops are called
        from engine.kernels import attention_sublayer, mlp_sublayer
        from engine.kernels.buffers import Buffers
        from engine.kernels.layouts import is_paired
        from engine.kernels.unembedding import Unembedding

        C, F, n, paired = settings.d_model, settings.d_mlp, n_threads(), is_paired(dtype)
        attending = [attention_sublayer.scratch_of(C, paired=paired) for _ in range(n)]
        thinking = [mlp_sublayer.scratch_of(C, F, paired=paired) for _ in range(n)]
        layers = range(settings.n_layers)
        self.attention = [
            attention_sublayer.AttentionSublayer(C, settings.n_heads, attending) for _ in layers
        ]
        self.mlp = [mlp_sublayer.MLPSublayer(C, F, settings.activation, thinking) for _ in layers]
        self.end = Unembedding(C, V, n)
        self.take = Buffers().take

    def layouts(self, w: "_Weights", *, returns: bool) -> list[Callable[[], None]]:
        """What brings the weights into the factors' layouts, in any order."""
        ways = [(self.end, w.end)]
        for own, attention, mlp in zip(w.layers, self.attention, self.mlp, strict=True):
            ways += [(attention, own.attention), (mlp, own.mlp)]
        tasks = [task for room, given in ways for task in room.lay_out(given)]
        if returns:
            tasks += [task for room, given in ways for task in room.lay_out_back(given)]
        return tasks

    def endings(self, to: "_Weights") -> list[Callable[[], None]]:
        """What writes the layers' gradients, in any order."""
        tasks = self.end.write(to.end)
        for own, attention, mlp in zip(to.layers, self.attention, self.mlp, strict=True):
            tasks += attention.write(own.attention) + mlp.write(own.mlp)
        return tasks


class _Weights(NamedTuple):
    """All weights, or their gradients."""

    embedding: np.ndarray
    positions: np.ndarray
    layers: Sequence[LayerWeights]
    end: Any


class Pass(NamedTuple):
    """A pass forward: its logits [B·A, V], and what `LayersByHand.backward` needs of it."""

    logits: Float[Tensor, "BA V"]
    prefixes: Prefixes
    places: np.ndarray
    """[B·A] where results begin among the rows that are read."""
    layers: Sequence[LayerPass]
    end: Any


class LayersByHand:
    """A decoder under weights that stay where they are, and so do their gradients."""

    def __init__(
        self,
        settings: DecoderSettings,
        parameters: Mapping[str, Tensor],
        positions: Float[Tensor, "T C"],
        gradients: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Without `gradients` there is no way back."""
        n = settings.n_layers
        self._is_tied = settings.tied
        self._weights = _weights_of(parameters, positions.detach().numpy(), n)
        self._to: _Weights | None = None
        if gradients is not None:
            # of positions that the network does not learn, the gradient is written beside
            to = _weights_of(gradients, np.empty(positions.shape, np.float32), n)
            if self._is_tied:
                own = np.empty_like(to.embedding)
                to = to._replace(end=to.end._replace(unembedding=own))
            self._to = to

    def forward(
        self, room: Room, prefixes: Prefixes, read: tuple[int, ...], then: Then | None = None
    ) -> Pass:
        """The logits; `then` is what takes their gradient, if there is to be a way back.

        Threads share the rows of each layer, and take them through all that needs no other row.
        """
        from engine.kernels.blocks import SHARE
        from engine.kernels.buffers import fresh
        from engine.kernels.embedded_rows import embed

        w, returns = self._weights, then is not None
        take = room.take if returns else fresh
        in_any_order(*room.layouts(w, returns=returns))
        layers = self._layers(room, prefixes, read, take, returns=returns)
        _, tokens, starts = prefixes.places_of_ends

        def begin(share: slice, thread: int) -> None:
            embed(w.embedding, w.positions, tokens, starts, layers[0].x, share)
            layers[0].project(share, thread)

        by_shares(begin, len(tokens), of=SHARE)
        for layer, after in zip(layers, [*layers[1:], None], strict=True):
            parts = layer.pass_on, None if after is None else after.project
            by_shares(_one_after_the_other(*parts), len(layer.between), of=SHARE)
        places, out = prefixes.places(read).flatten().numpy(), layers[-1].out
        end = room.end.keep(len(places), out.shape[1], take, returns=returns)
        logits = torch.from_numpy(end.logits)
        take_gradient = None
        if then is not None:
            take_gradient = then(logits, torch.from_numpy(end.to_logits)[: len(places)])

        def finish(share: slice, thread: int) -> None:
            room.end.forward(w.end, out, places, end, share, thread)
            if take_gradient is not None:
                take_gradient(share)

        by_shares(finish, len(places), of=SHARE)
        return Pass(logits, prefixes, places, layers, end)

    def _layers(
        self, room: Room, prefixes: Prefixes, read: tuple[int, ...], take: Any, *, returns: bool
    ) -> list[LayerPass]:
        """Room for a pass through each layer.

        What comes into the first are rows of a table, which prefixes look up; those of the last
        that look are the ones that are read.
        """
        from engine.kernels.attention_sublayer import Places

        (U, T), C = prefixes.sees.shape, self._weights.embedding.shape[1]
        seen, (ends, tokens, _) = prefixes.sees.numpy(), prefixes.places_of_ends
        everywhere, looking = Places(np.arange(U), seen), prefixes.of_positions(read).numpy()
        n = len(room.mlp)
        places_of = [everywhere] * n
        # of no row, which has the last number, there is none in the table either
        places_of[0] = Places(ends, np.append(ends, -1)[seen])
        places_of[-1] = Places(looking, seen[looking])
        found, x = list[LayerPass](), take("x", (len(tokens), C), np.float32)
        of_layers = zip(self._weights.layers, room.attention, room.mlp, places_of, strict=True)
        for i, (w, attention, mlp, places) in enumerate(of_layers):
            S = len(places.looking)

            def own(name: str, shape: tuple[int, ...], dtype: Any, i: int = i) -> np.ndarray:
                return take(f"{name} of {i}", shape, dtype)

            between, out = (own(name, (S, C), np.float32) for name in ("between", "out"))
            attended = attention.keep(len(x), S, T, own)
            thought = mlp.keep(S, own) if returns else None
            along = places, x, between, out
            found.append(LayerPass(w, attention, mlp, *along, attended, thought))
            x = out
        return found

    def backward(self, room: Room, found: Pass) -> None:
        """Write the gradients of the weights, that of the logits being there."""
        from engine.kernels.blocks import SHARE
        from engine.kernels.embedded_rows import embed_back
        from engine.kernels.unembedding import add_at

        assert self._to is not None
        to, prefixes, take = self._to, found.prefixes, room.take
        first, last = found.layers[0], found.layers[-1].places.looking
        U, C = found.layers[-1].x.shape
        to_end = take("to end", (len(found.places), C), np.float32)
        end = partial(room.end.backward, self._weights.end, found.end, to_end)
        by_shares(end, len(found.places), of=SHARE)
        gradient = take("to out", (len(last), C), np.float32)
        add_at(to_end, found.places, gradient)
        asked = np.full(U, -1, np.int64)
        asked[last] = np.arange(len(last))
        above: Callable[[slice, int], None] | None = None
        for i, layer in enumerate(reversed(found.layers)):
            # in turns: all threads read what is written of one layer while they write the next
            back = _room_back(room, layer, "ab"[i % 2])
            down = partial(layer.back_to_keys, gradient, back)
            by_shares(_one_after_the_other(above, down), len(layer.between), of=SHARE)
            if layer is first:
                to_x = take("to begun", first.x.shape, np.float32)
                add_at(back.to_between, first.places.looking, to_x)
                back = back._replace(to_between=to_x)
            above, gradient = partial(layer.back_to_x, back, asked), back.to_x
            # in all but the last layer each row looks
            asked = asked[:0]
        by_shares(_one_after_the_other(above), len(first.x), of=SHARE)
        _, tokens, starts = prefixes.places_of_ends
        ends = tokens, starts, to.embedding, to.positions
        in_any_order(partial(embed_back, gradient, *ends), *room.endings(to))
        if self._is_tied:
            to.embedding[:] += to.end.unembedding


def _room_back(room: Room, layer: LayerPass, name: str) -> Back:
    (U, C), S = layer.x.shape, len(layer.between)

    def own(of: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return room.take(f"{of} {name}", shape, dtype)

    to_between, to_x = own("to between", (S, C), np.float32), own("to x", (U, C), np.float32)
    to_mixed, to_qkv = layer.attention.room_back(U, S, own)
    return Back(to_mixed, to_qkv, to_between, to_x)


def _one_after_the_other(
    *parts: Callable[[slice, int], None] | None,
) -> Callable[[slice, int], None]:
    """Parts of which each needs of the ones before it nothing but the same rows."""

    def do(share: slice, thread: int) -> None:
        for part in parts:
            if part is not None:
                part(share, thread)

    return do


def _weights_of(
    parameters: Mapping[str, Tensor], positions: np.ndarray, n_layers: int
) -> _Weights:
    """The weights where they lie; `positions` where the network learns none."""
    from engine.kernels import unembedding

    learned = array_of(parameters, "transformer.wpe.weight")
    embedding = array_of(parameters, "transformer.wte.weight")
    own = array_of(parameters, "lm_head.weight")
    gain, shift = (array_of(parameters, f"transformer.ln_f.{name}") for name in ("weight", "bias"))
    return _Weights(
        embedding,
        learned if learned.size else positions,
        [weights_of_layer(parameters, layer) for layer in range(n_layers)],
        unembedding.Given(gain, shift, own if own.size else embedding),
    )
