"""Mamba-2 of one group and of several."""

from engine.models import Mamba2Settings

SETTINGS = {
    "mamba2": Mamba2Settings(d_model=8, n_heads=4, d_state=6),
    "mamba2, three layers": Mamba2Settings(
        n_layers=3, d_model=16, n_heads=4, n_groups=2, d_state=3, d_conv=2, tied=True
    ),
}
