"""Decoders of every pattern of sharing."""

from engine.models import UniversalSettings

SETTINGS = {
    "looped": UniversalSettings(n_layers=1, n_loops=3, d_model=16, n_heads=2, d_mlp=24),
    "looped, re-embedded": UniversalSettings(
        n_layers=2, d_model=16, n_heads=4, d_mlp=12, norm="pre", re_embed=True, tied=True
    ),
    "one MLP": UniversalSettings(
        n_layers=3, n_loops=1, d_model=12, n_heads=2, d_mlp=24, norm="post", share_mlp=True
    ),
    "shared keys": UniversalSettings(
        n_layers=3, d_model=12, n_heads=3, d_mlp=16, norm="pre", layers_per_kv=2
    ),
    "everything shared": UniversalSettings(
        n_layers=3,
        d_model=12,
        n_heads=3,
        d_mlp=16,
        norm="pre",
        attention_bias=True,
        layers_per_kv=3,
        share_mlp=True,
        re_embed=True,
        re_embed_temperature=2.0,
    ),
}
