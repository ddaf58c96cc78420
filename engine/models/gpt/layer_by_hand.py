"""One layer of `engine.models.gpt.layers_by_hand`: its way for some rows, forth and back.

Shapes: ``U`` rows, ``S`` those that look, ``T`` tokens, ``C`` d_model.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

_ATTENTION = {
    "gain": "ln_1.weight",
    "shift": "ln_1.bias",
    "w_qkv": "attn.c_attn.weight",
    "b_qkv": "attn.c_attn.bias",
    "w_out": "attn.c_proj.weight",
    "b_out": "attn.c_proj.bias",
}
_MLP = {
    "gain": "ln_2.weight",
    "shift": "ln_2.bias",
    "w_in": "mlp.c_fc.weight",
    "b_in": "mlp.c_fc.bias",
    "w_out": "mlp.c_proj.weight",
    "b_out": "mlp.c_proj.bias",
}


class LayerWeights(NamedTuple):
    """A layer's weights, or their gradients, as its two sublayers' loops take them."""

    attention: Any
    mlp: Any


def weights_of_layer(parameters: Mapping[str, Tensor], layer: int) -> LayerWeights:
    """The weights where they lie; those that the network has not are of no numbers."""
    # Numba is imported where its loops are called
    from engine.kernels import attention_sublayer, mlp_sublayer

    def named(names: dict[str, str]) -> dict[str, np.ndarray]:
        return {
            own: array_of(parameters, f"transformer.h.{layer}.{name}")
            for own, name in names.items()
        }

    return LayerWeights(
        attention_sublayer.Given(**named(_ATTENTION)), mlp_sublayer.Given(**named(_MLP))
    )


def array_of(parameters: Mapping[str, Tensor], name: str) -> np.ndarray:
    """A parameter where it lies; of no numbers where the network has none of that name."""
    if name not in parameters:
        return np.empty(0, np.float32)
    return parameters[name].detach().numpy()


class Back(NamedTuple):
    """What a layer's way back writes; a thread reads its own rows alone, but for `to_qkv`."""

    to_mixed: np.ndarray
    to_qkv: np.ndarray
    """By threads, which add up what all of them found."""
    to_between: np.ndarray
    to_x: np.ndarray


class LayerPass(NamedTuple):
    """A layer's weights, room for them, and what a pass through it writes."""

    weights: LayerWeights
    attention: Any
    mlp: Any
    places: Any
    """Which rows look where."""
    x: np.ndarray
    """[U, C] what comes in."""
    between: np.ndarray
    """[S, C] what attention gives to the MLP."""
    out: np.ndarray
    """[S, C]"""
    attended: Any
    """What the ways back need; of the MLP, None where there is none."""
    thought: Any

    def project(self, share: slice, thread: int) -> None:
        """Take some rows to their queries, keys and values."""
        self.attention.project(self.weights.attention, self.x, self.attended, share, thread)

    def pass_on(self, share: slice, thread: int) -> None:
        """Take some rows that look through the rest of the layer, all keys being there."""
        own = self.weights.attention, self.x, self.places, self.attended, self.between
        self.attention.look(*own, share, thread)
        own = self.weights.mlp, self.between, self.thought, self.out
        self.mlp.forward(*own, share, thread)

    def back_to_keys(self, gradient: np.ndarray, back: Back, share: slice, thread: int) -> None:
        """Take the gradient of some rows that came out to queries, keys and values."""
        own = self.weights.mlp, self.between, self.thought, gradient, back.to_between
        self.mlp.backward(*own, share, thread)
        own = self.places, self.attended, back.to_between, back.to_mixed, back.to_qkv
        self.attention.look_back(*own, share, thread)

    def back_to_x(self, back: Back, asked: np.ndarray, share: slice, thread: int) -> None:
        """Take it to what came in; `asked` is that of `AttentionSublayer.project_back`."""
        own = self.weights.attention, self.x, self.attended, back.to_qkv
        self.attention.project_back(*own, asked, back.to_between, back.to_x, share, thread)
