"""Grokking as it was found: modular arithmetic, and its two controls."""

from data import ModularSettings
from engine.config.presets.preset import Expectation, Preset
from engine.config.run import RunConfig
from engine.config.training import TrainingSettings
from engine.models import GPTSettings
from engine.optim import AdamWSettings

_QUICK = RunConfig(
    # With (a, b) apart from (b, a), half of the test is read off the training set at once.
    task=ModularSettings(p=59, train_fraction=0.6, pairs="together"),
    # twice as wide an MLP memorises sooner and, of five seeds, groks no sooner
    model=GPTSettings(d_model=64, n_heads=4, d_mlp=128),
    optimizer=AdamWSettings(learning_rate=5e-3, weight_decay=3.0),
    training=TrainingSettings(steps=1000, loss_precision="float64"),
)

_NO_DECAY = _QUICK.model_copy(
    update={"optimizer": _QUICK.optimizer.model_copy(update={"weight_decay": 0.0})}
)

_PLENTY = _QUICK.model_copy(
    update={"task": _QUICK.task.model_copy(update={"train_fraction": 0.9})}
)

MODULAR = (
    Preset(
        name="quick",
        title="Grokking in seconds",
        description="Addition mod 59: one layer, 60 % of the table, strong weight decay.",
        expectation=Expectation(
            sentence="Memorises by step 150, stays at chance, groks by step 800.",
            memorises_within=200,
            groks_within=900,
            least_delay=2.5,
            seeds=5,
        ),
        config=_QUICK,
    ),
    Preset(
        name="nanda",
        title="The published run",
        description="Addition mod 113 with the network and settings of Nanda et al. 2023, in the"
        " arithmetic that the machine multiplies fastest.",
        expectation=Expectation(
            sentence="Memorises by step 150, stays low for 4,000 steps, groks at about 6,000.",
            memorises_within=300,
            groks_within=12_000,
            least_delay=10.0,
        ),
        config=RunConfig(
            task=ModularSettings(p=113, train_fraction=0.3),
            model=GPTSettings(d_model=128, n_heads=4, d_mlp=512),
            optimizer=AdamWSettings(learning_rate=1e-3, weight_decay=1.0),
            training=TrainingSettings(steps=25_000, precision="auto", loss_precision="float64"),
        ),
    ),
    Preset(
        name="power",
        title="The first paper",
        description="Division mod 97, two layers, mini-batches, after Power et al. 2022.",
        expectation=Expectation(
            sentence="Memorises by step 500, stays low until 2,000, groks at about 3,000.",
            memorises_within=1000,
            groks_within=6000,
            least_delay=2.0,
        ),
        config=RunConfig(
            task=ModularSettings(operation="divide", p=97, train_fraction=0.5, format="a o b ="),
            model=GPTSettings(
                n_layers=2, d_model=128, n_heads=4, d_mlp=512, norm="post", mlp_bias=False
            ),
            optimizer=AdamWSettings(learning_rate=1e-3, weight_decay=1.0),
            training=TrainingSettings(steps=10_000, batch_size=512),
        ),
    ),
    Preset(
        name="no-decay",
        title="Without weight decay",
        description="The quick run with weight decay 0: nothing pushes it off the memory.",
        expectation=Expectation(
            sentence="Memorises as fast as the quick run and does not grok in its budget.",
            memorises_within=200,
            groks_within=None,
            seeds=2,
        ),
        config=_NO_DECAY,
    ),
    Preset(
        name="plenty",
        title="Plenty of data",
        description="The quick run with 90 % of the table: there is little left to memorise.",
        expectation=Expectation(
            sentence="Test follows train at once: it generalises without a plateau.",
            memorises_within=200,
            groks_within=400,
            most_delay=3.0,
            seeds=3,
        ),
        config=_PLENTY,
    ),
)
