"""LLaMA decoders with separate, grouped and single heads of keys and values."""

from engine.models import LlamaSettings

SETTINGS = {
    "llama": LlamaSettings(n_layers=1, d_model=16, n_heads=2, d_mlp=24),
    "llama grouped": LlamaSettings(n_layers=3, d_model=16, n_heads=4, n_kv_heads=2, d_mlp=12),
    "llama tied": LlamaSettings(
        n_layers=2, d_model=12, n_heads=3, n_kv_heads=1, d_mlp=8, tied=True, rope_base=100.0
    ),
}
