"""How LLaMA is told the sizes of a network."""

from typing import Any

from engine.models import LlamaSettings


def config(settings: LlamaSettings, *, length: int) -> dict[str, Any]:
    """What is LLaMA's own in `config.json`."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": settings.d_model,
        "intermediate_size": settings.d_mlp,
        "num_hidden_layers": settings.n_layers,
        "num_attention_heads": settings.n_heads,
        "num_key_value_heads": settings.key_heads,
        "head_dim": settings.d_head,
        "hidden_act": "silu",
        "max_position_embeddings": length,
        "rope_parameters": {"rope_type": "default", "rope_theta": settings.rope_base},
        "rms_norm_eps": 1e-6,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
    }
