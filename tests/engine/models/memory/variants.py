"""Decoders with each memory alone, and with all of them."""

from engine.models import MemorySettings

SETTINGS = {
    "persistent keys": MemorySettings(d_model=16, n_heads=2, d_mlp=24, n_memory_kv=3),
    "memory tokens": MemorySettings(
        n_layers=2, d_model=12, n_heads=3, d_mlp=8, norm="pre", n_memory_kv=0, n_memory_tokens=2
    ),
    "memory MLPs": MemorySettings(
        n_layers=4, d_model=12, n_heads=2, d_mlp=8, norm="post", n_memory_kv=0, d_memory_mlp=6
    ),
    # far-apart scores: a rounded stream rarely changes which values are chosen
    "product keys": MemorySettings(
        d_model=16,
        n_heads=2,
        n_memory_kv=0,
        product_key_layer=1,
        n_sub_keys=5,
        d_memory_query=16,
        init_scale=2.5,
    ),
    "all memories": MemorySettings(
        n_layers=2,
        d_model=12,
        n_heads=2,
        d_mlp=8,
        norm="pre",
        n_memory_kv=2,
        n_memory_tokens=3,
        d_memory_mlp=10,
        product_key_layer=2,
        n_sub_keys=4,
        n_memory_heads=2,
        d_memory_query=6,
        top_k=3,
    ),
}
