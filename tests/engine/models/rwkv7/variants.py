"""RWKV-7 of one and more layers."""

from engine.models import RWKV7Settings

SETTINGS = {
    "rwkv7": RWKV7Settings(d_model=8, n_heads=2, d_mlp=12, d_low_rank=3),
    "rwkv7, three layers": RWKV7Settings(
        n_layers=3, d_model=12, n_heads=3, d_mlp=16, d_low_rank=2
    ),
}
