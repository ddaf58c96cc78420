"""Stacks of every mixer, norm and MLP."""

from typing import Any

from engine.models import (
    DeltaNetSettings,
    GatedDeltaNetSettings,
    GLASettings,
    HybridSettings,
    LinearAttentionSettings,
    RetNetSettings,
)

SETTINGS: dict[str, Any] = {
    "linear attention": LinearAttentionSettings(n_layers=2, d_model=16, n_heads=2, d_mlp=24),
    "linear attention, rms": LinearAttentionSettings(
        d_model=12, n_heads=3, d_mlp=16, feature_map="identity", normaliser="rms", norm="layer"
    ),
    "linear attention, relu": LinearAttentionSettings(
        d_model=16, n_heads=2, d_mlp=16, feature_map="relu", normaliser="rms"
    ),
    "retnet": RetNetSettings(n_layers=2, d_model=16, n_heads=2, d_mlp=24, activation="gelu"),
    "gla": GLASettings(n_layers=2, d_model=16, n_heads=2, d_mlp=24, gate_rank=3),
    "gla, tied": GLASettings(
        d_model=16, n_heads=1, d_mlp=8, expand_k=1.0, gate_temperature=1.0, tied=True
    ),
    "deltanet": DeltaNetSettings(
        n_layers=2, d_model=16, n_heads=2, d_mlp=24, activation="swiglu", conv_width=3
    ),
    "deltanet, beta to 2": DeltaNetSettings(
        d_model=8, n_heads=2, d_mlp=8, conv_width=16, expand_v=2.0, negative_eigenvalues=True
    ),
    "gated deltanet": GatedDeltaNetSettings(
        n_layers=2, d_model=16, n_heads=2, d_mlp=24, activation="swiglu", expand_v=2.0
    ),
    "gated deltanet, beta to 2": GatedDeltaNetSettings(
        d_model=8,
        n_heads=2,
        d_mlp=8,
        expand_v=2.0,
        conv_width=1,
        negative_eigenvalues=True,
        norm="layer",
        positions="learned",
    ),
    "hybrid": HybridSettings(d_model=16, n_heads=2, d_mlp=24, norm="layer"),
    "hybrid of maps": HybridSettings(
        n_layers=3, d_model=16, n_heads=2, d_mlp=16, mixers=("attention", "linear_attention")
    ),
    "hybrid of memories": HybridSettings(
        n_layers=3, d_model=16, n_heads=2, d_mlp=16, mixers=("retnet", "gla", "deltanet")
    ),
    "hybrid with mamba": HybridSettings(
        n_layers=3, d_model=16, n_heads=2, d_mlp=16, mixers=("mamba", "attention")
    ),
    "hybrid with mamba2": HybridSettings(
        d_model=16,
        n_heads=2,
        d_mlp=16,
        mixers=("attention", "mamba2"),
        positions="none",
        activation="swiglu",
        tied=True,
    ),
    "hybrid with rwkv4": HybridSettings(
        d_model=16, n_heads=2, d_mlp=16, mixers=("gla", "rwkv4"), norm="layer"
    ),
    "hybrid with rwkv7": HybridSettings(
        n_layers=3, d_model=16, n_heads=2, d_mlp=16, mixers=("rwkv7", "mamba")
    ),
    "hybrid of mamba2": HybridSettings(
        d_model=16, n_heads=4, d_mlp=16, mixers=("mamba2",), positions="none"
    ),
}
