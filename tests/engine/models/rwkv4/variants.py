"""RWKV-4 of one and more layers."""

from engine.models import RWKV4Settings

SETTINGS = {
    "rwkv4": RWKV4Settings(d_model=8, d_mlp=12),
    "rwkv4, three layers": RWKV4Settings(n_layers=3, d_model=6, d_mlp=8),
}
