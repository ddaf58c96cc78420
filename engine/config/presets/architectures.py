"""Every architecture on one task, the small comparison, at about the same size."""

from engine.config.presets.facts import SMALL_COMPARISON
from engine.config.presets.preset import Expectation, Preset
from engine.models import (
    DeltaNetSettings,
    GatedDeltaNetSettings,
    GLASettings,
    HybridSettings,
    LinearAttentionSettings,
    LlamaSettings,
    LSTMSettings,
    Mamba2Settings,
    MambaSettings,
    MemorySettings,
    MLPSettings,
    ModelSettings,
    RetNetSettings,
    RWKV4Settings,
    RWKV7Settings,
    TRMSettings,
    UniversalSettings,
)

_ASKED = Expectation(
    sentence="How soon it generalises, and whether out of distribution, is the question.", seeds=0
)

_MODELS: tuple[tuple[str, ModelSettings], ...] = (
    ("LLaMA", LlamaSettings(n_layers=2, d_model=32, n_heads=4, d_mlp=48)),
    (
        "Universal transformer",
        UniversalSettings(n_layers=1, n_loops=2, d_model=32, n_heads=4, d_mlp=64, norm="pre"),
    ),
    ("TRM", TRMSettings(d_model=32, d_mlp=64, h_cycles=1, l_cycles=2)),
    (
        "Persistent memory",
        MemorySettings(n_layers=2, d_model=32, n_heads=4, d_mlp=64, norm="pre"),
    ),
    ("Linear attention", LinearAttentionSettings(n_layers=2, d_model=32, n_heads=4, d_mlp=64)),
    ("RetNet", RetNetSettings(n_layers=2, d_model=32, n_heads=4, d_mlp=64)),
    ("GLA", GLASettings(n_layers=2, d_model=32, n_heads=4, d_mlp=64)),
    ("DeltaNet", DeltaNetSettings(n_layers=2, d_model=32, n_heads=4, d_mlp=64)),
    ("Gated DeltaNet", GatedDeltaNetSettings(n_layers=2, d_model=32, n_heads=4, d_mlp=64)),
    ("Mamba", MambaSettings(n_layers=2, d_model=32)),
    ("Mamba-2", Mamba2Settings(n_layers=2, d_model=32)),
    ("RWKV-4", RWKV4Settings(n_layers=2, d_model=32)),
    ("RWKV-7", RWKV7Settings(n_layers=2, d_model=32)),
    ("LSTM", LSTMSettings(n_layers=2, d_model=32)),
    ("Perceptron", MLPSettings(n_layers=2, d_model=64)),
    ("Hybrid", HybridSettings(n_layers=2, d_model=32, n_heads=4, d_mlp=64)),
)

ARCHITECTURES = tuple(
    Preset(
        name=f"comparison-{model.kind.replace('_', '-')}",
        title=title,
        group="Architectures on the small comparison",
        description=f"The small comparison, learned by another network ({model.kind}).",
        expectation=_ASKED,
        config=SMALL_COMPARISON.model_copy(update={"model": model}),
    )
    for title, model in _MODELS
)
"""One for each kind of model but gpt, which is `comparison-small` itself."""
