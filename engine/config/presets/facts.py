"""Reasoning over facts in the weights: composition and comparison, small and as published."""

from data import ComparisonSettings, CompositionSettings
from engine.config.presets.preset import Expectation, Preset
from engine.config.run import RunConfig
from engine.config.training import TrainingSettings
from engine.models import GPTSettings
from engine.optim import AdamWSettings

SMALL_COMPARISON = RunConfig(
    task=ComparisonSettings(n_entities=100, n_attributes=4, n_values=6, phi=20.0),
    # so narrow that facts and comparisons must share what is known of an entity: at width 64 the
    # same run stayed at 0.95 out of distribution
    model=GPTSettings(n_layers=2, d_model=32, n_heads=4, d_mlp=64, norm="pre"),
    optimizer=AdamWSettings(
        learning_rate=3e-3, weight_decay=1.0, schedule="cosine", final_fraction=0.05
    ),
    training=TrainingSettings(steps=8000, batch_size=256),
)
"""What the architectures are compared on."""

_PUBLISHED_GPT = GPTSettings(
    n_layers=8,
    d_model=768,
    n_heads=12,
    d_mlp=3072,
    activation="gelu_tanh",
    norm="pre",
    attention_bias=True,
    mlp_bias=True,
    tied=True,
    init="gpt2",
)

_PUBLISHED_ADAMW = AdamWSettings(
    learning_rate=1e-4,
    weight_decay=0.1,
    betas=(0.9, 0.999),
    warmup_steps=2000,
    clip_norm=1.0,
    decay_group="matrices",
)

_PUBLISHED_TRAINING = TrainingSettings(
    steps=1_500_000, batch_size=512, eval_every=1000, precision="bfloat16", dropout=0.1
)
"""The published nets leave out a share of their embeddings and attention as well."""

FACTS = (
    Preset(
        name="composition-small",
        title="Two hops, small",
        group="Facts",
        description="Compose two facts of a graph of 50 entities; a decoder of four layers.",
        expectation=Expectation(
            sentence="Knows its facts by step 1,500 and composes unseen pairs of them by 4,500.",
            memorises_within=2000,
            groks_within=6000,
            least_delay=2.0,
        ),
        config=RunConfig(
            task=CompositionSettings(
                n_entities=50,
                n_relations=20,
                out_degree=12,
                phi=8.0,
                ood_share=0.06,
                holdout_share=0.05,
            ),
            model=GPTSettings(n_layers=4, d_model=64, n_heads=4, d_mlp=256, norm="pre"),
            # without the limit its accuracy fell for some evaluations, now and then for good
            optimizer=AdamWSettings(learning_rate=2e-3, weight_decay=0.2, clip_norm=1.0),
            training=TrainingSettings(steps=6000, batch_size=512),
        ),
    ),
    Preset(
        name="comparison-small",
        title="Which has more, small",
        group="Facts",
        description="Compare 100 entities by four attributes; a decoder of two layers.",
        expectation=Expectation(
            sentence="Unseen pairs follow at once, entities never compared by step 7,000.",
            memorises_within=8000,
            groks_within=8000,
            ood_groks_within=8000,
        ),
        config=SMALL_COMPARISON,
    ),
    Preset(
        name="composition-paper",
        title="Two hops, as published",
        group="Facts",
        description="2,000 entities, 8 layers of width 768, after Wang et al. 2024. For a GPU.",
        expectation=Expectation(
            sentence="Published: unseen compositions at 200,000 steps, never out of distribution.",
            seeds=0,
        ),
        config=RunConfig(
            task=CompositionSettings(),
            model=_PUBLISHED_GPT,
            optimizer=_PUBLISHED_ADAMW,
            training=_PUBLISHED_TRAINING,
        ),
    ),
    Preset(
        name="comparison-paper",
        title="Which has more, as published",
        group="Facts",
        description="1,000 entities, 20 attributes, 8 layers, after Wang et al. 2024. For a GPU.",
        expectation=Expectation(
            sentence="Published: 0.85 out of distribution at 10,000 steps, 1.0 at 400,000.",
            seeds=0,
        ),
        config=RunConfig(
            task=ComparisonSettings(phi=7.2),
            model=_PUBLISHED_GPT,
            optimizer=_PUBLISHED_ADAMW,
            training=_PUBLISHED_TRAINING,
        ),
    ),
)
