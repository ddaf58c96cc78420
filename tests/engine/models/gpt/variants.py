"""Decoders of every norm, position and tying."""

from engine.models import GPTSettings

SETTINGS = {
    "nanda": GPTSettings(d_model=16, n_heads=2, d_mlp=24),
    "pre": GPTSettings(
        n_layers=2,
        d_model=16,
        n_heads=4,
        d_mlp=24,
        norm="pre",
        attention_bias=True,
        activation="gelu_tanh",
        init="gpt2",
    ),
    "post": GPTSettings(n_layers=2, d_model=16, n_heads=2, d_mlp=24, norm="post", mlp_bias=False),
    "tied": GPTSettings(d_model=12, n_heads=3, d_mlp=24, tied=True, positions="sinusoidal"),
    "no positions": GPTSettings(n_layers=3, d_model=8, n_heads=1, d_mlp=8, positions="none"),
}
