"""Mamba of one and more layers."""

from engine.models import MambaSettings

SETTINGS = {
    "mamba": MambaSettings(d_model=8, d_state=3),
    "mamba, three layers": MambaSettings(
        n_layers=3, d_model=8, expand=1, d_state=4, d_conv=3, dt_rank=2, tied=True
    ),
}
