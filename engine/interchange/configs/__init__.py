"""Which class of `transformers` computes what a network of ours does, and with which settings."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.errors import NotPossible
from engine.interchange.configs import gpt2, llama, mamba, mamba2, rwkv
from engine.models import ModelSettings

CONFIGS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "gpt": gpt2.config,
    "llama": llama.config,
    "mamba": mamba.config,
    "mamba2": mamba2.config,
    "rwkv4": rwkv.config,
}
"""By our kind of model: `config(settings, length=…)` gives what is the family's own."""


ABSENT: Mapping[str, Callable[..., dict[str, np.ndarray]]] = {"gpt": gpt2.absent_biases}
"""By our kind of model: `absent(weights)` gives what the class has besides, so that it counts for
nothing; kinds whose class has exactly our parameters are left out."""


def absent_weights(
    settings: ModelSettings, weights: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Tensors that the class of `transformers` has and the network lacks; they change nothing."""
    absent = ABSENT.get(settings.kind)
    return absent(weights) if absent else {}


def transformers_config(
    settings: ModelSettings, *, vocab_size: int, length: int
) -> dict[str, Any]:
    """The `config.json` of a network; `length` is the tokens of an example.

    The lab's rows begin, end and are padded with no token of their own, so those ids are null.

    Raises:
        NotPossible: no class of `transformers` computes this kind, or this variant of it.
    """
    config = CONFIGS.get(settings.kind)
    if config is None:
        raise NotPossible(
            f"--format hf writes models that transformers can compute ({', '.join(CONFIGS)}), "
            f"got {settings.kind}"
        )
    outside = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    return config(settings, length=length) | {
        "vocab_size": vocab_size,
        "dtype": "float32",
        "tie_word_embeddings": getattr(settings, "tied", False),
        **outside,
    }
