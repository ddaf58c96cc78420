"""Which decoders GPT-2 can express, and how it is told."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.errors import NotPossible
from engine.models import GPTSettings

_NEEDED = {"norm": "pre", "positions": "learned"}
_BIASED = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")
_ACTIVATIONS = {"gelu_tanh": "gelu_new", "gelu": "gelu", "relu": "relu"}


def config(settings: GPTSettings, *, length: int) -> dict[str, Any]:
    """What is GPT-2's own in `config.json`.

    Raises:
        NotPossible: another norm, or other positions.
    """
    other = [name for name, needed in _NEEDED.items() if getattr(settings, name) != needed]
    if other:
        needed = ", ".join(f"model.{name}={_word(_NEEDED[name])}" for name in other)
        given = ", ".join(f"{name}={_word(getattr(settings, name))}" for name in other)
        raise NotPossible(
            f"--format hf writes a gpt as GPT-2, which needs {needed}, got {given}; "
            "train a run with these settings to export it"
        )
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_positions": length,
        "n_embd": settings.d_model,
        "n_layer": settings.n_layers,
        "n_head": settings.n_heads,
        "n_inner": settings.d_mlp,
        "activation_function": _ACTIVATIONS[settings.activation],
        "layer_norm_epsilon": 1e-5,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    }


def absent_biases(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Zeros for the biases that GPT-2 always has and a network was trained without, by name."""
    return {
        bias: np.zeros(weight.shape[1], weight.dtype)
        for name, weight in weights.items()
        if name.endswith(_BIASED) and (bias := name.removesuffix("weight") + "bias") not in weights
    }


def _word(value: object) -> str:
    return str(value).lower()
