"""How RWKV-4 is told the sizes of a network."""

from typing import Any

from engine.models import RWKV4Settings


def config(settings: RWKV4Settings, *, length: int) -> dict[str, Any]:
    """What is RWKV's own in `config.json`; weights are as trained, so none is rescaled."""
    return {
        "architectures": ["RwkvForCausalLM"],
        "model_type": "rwkv",
        "hidden_size": settings.d_model,
        "attention_hidden_size": settings.d_model,
        "intermediate_size": settings.d_mlp,
        "num_hidden_layers": settings.n_layers,
        "context_length": length,
        "layer_norm_epsilon": 1e-5,
        "rescale_every": 0,
    }
