"""Recursive nets with one and several cycles, with and without a prefix."""

from engine.models import TRMSettings

SETTINGS = {
    # small weights: from larger ones, many cycles blow roundings up as any chaos does
    "trm": TRMSettings(d_model=12, d_mlp=16, d_mix=10, n_prefix=3, l_cycles=2, init_scale=0.5),
    "trm, one block": TRMSettings(
        n_layers=1, d_model=8, d_mlp=12, d_mix=6, n_prefix=0, h_cycles=1, l_cycles=3
    ),
}
