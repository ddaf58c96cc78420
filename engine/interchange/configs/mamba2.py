"""How Mamba-2 is told the sizes of a network."""

from typing import Any

from engine.models import Mamba2Settings


def config(settings: Mamba2Settings, *, length: int) -> dict[str, Any]:
    """What is Mamba-2's own in `config.json`; one chunk holds an example."""
    return {
        "architectures": ["Mamba2ForCausalLM"],
        "model_type": "mamba2",
        "hidden_size": settings.d_model,
        "num_hidden_layers": settings.n_layers,
        "num_heads": settings.n_heads,
        "head_dim": settings.d_inner // settings.n_heads,
        "n_groups": settings.n_groups,
        "state_size": settings.d_state,
        "expand": settings.expand,
        "conv_kernel": settings.d_conv,
        "chunk_size": length,
        "layer_norm_epsilon": 1e-5,
        "hidden_act": "silu",
        "use_bias": False,
        "use_conv_bias": True,
    }
