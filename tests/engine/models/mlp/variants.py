"""Multi-layer perceptrons with and without biases.

Of two hidden layers and more: with one, nothing is multiplied in bfloat16.
"""

from engine.models import MLPSettings

SETTINGS = {
    "mlp": MLPSettings(n_layers=2, d_model=24, activation="gelu"),
    "mlp, three layers": MLPSettings(n_layers=3, d_model=16, activation="square", bias=False),
}
