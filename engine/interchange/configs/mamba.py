"""How Mamba is told the sizes of a network."""

from typing import Any

from engine.models import MambaSettings


def config(settings: MambaSettings, *, length: int) -> dict[str, Any]:  # noqa: ARG001
    """What is Mamba's own in `config.json`; its rows may have any length."""
    return {
        "architectures": ["MambaForCausalLM"],
        "model_type": "mamba",
        "hidden_size": settings.d_model,
        "num_hidden_layers": settings.n_layers,
        "state_size": settings.d_state,
        "expand": settings.expand,
        "conv_kernel": settings.d_conv,
        "time_step_rank": settings.d_time_step,
        "layer_norm_epsilon": 1e-5,
        "hidden_act": "silu",
        "use_bias": False,
        "use_conv_bias": True,
    }
