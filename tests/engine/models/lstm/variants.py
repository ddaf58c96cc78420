"""LSTMs of one and more layers."""

from engine.models import LSTMSettings

SETTINGS = {
    "lstm": LSTMSettings(d_model=8),
    "lstm, three layers": LSTMSettings(n_layers=3, d_model=6),
}
