"""Which experiments the rates are measured on, and whose loop each of them is held against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from data import ModularSettings, TaskData
from engine.bench.peers.facts import FactsLoop
from engine.bench.peers.gpt2 import gpt2_loop
from engine.bench.peers.grokfast import GrokfastLoop
from engine.bench.peers.loop import PeerLoop
from engine.bench.peers.nanda import NandaLoop
from engine.config import RunConfig, apply
from engine.config.presets import PRESETS
from engine.config.training import TrainingSettings
from engine.models import GPTSettings
from engine.optim import AdamSettings

MakeLoop = Callable[[TaskData, RunConfig, torch.device], PeerLoop]


@dataclass(frozen=True, slots=True)
class Setting:
    """An experiment, and the loop of the peers who published it."""

    words: str
    config: RunConfig
    peer: MakeLoop
    after: str
    """Whose loop the peer's is written after, and what it evaluates."""
    gpt2: MakeLoop | None = None
    """The same with `transformers`' network, where it can compute this one."""
    probe_steps: int = 10
    """Steps after which the arms' losses are compared."""
    evaluates: bool = True
    """Whether an evaluation falls into a measurement of a few seconds."""


_NANDA = "Nanda et al. 2023: full batch, train and test loss every step"
_GROKFAST = "Lee et al. 2024: loss and accuracy every step, validation pass every epoch"
_FACTS = "Wang et al. 2024: DataLoader, loss read every step, no validation pass"

GROKFAST = RunConfig(
    task=ModularSettings(operation="multiply", p=97, train_fraction=0.5, format="a o b ="),
    model=GPTSettings(
        n_layers=2,
        d_model=128,
        n_heads=4,
        d_mlp=512,
        norm="pre",
        activation="gelu",
        attention_bias=True,
        mlp_bias=True,
        init="gpt2",
    ),
    optimizer=AdamSettings(learning_rate=1e-3),
    training=TrainingSettings(steps=300_000, batch_size=512),
)
"""Lee et al. 2024 (Grokfast), without its filter: their baseline."""

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "nanda": Setting(
            "addition mod 113, 30 %, full batch 3,830 × 3; 1 layer, 128 / 4 / 512",
            apply(PRESETS["nanda"].config, {"training.precision": "float32"}),
            NandaLoop,
            _NANDA,
        ),
        "grokfast": Setting(
            "multiplication mod 97, 50 %, batch 512 × 4; 2 layers pre-LN, 128 / 4 / 512",
            GROKFAST,
            GrokfastLoop,
            _GROKFAST,
        ),
        "composition-small": Setting(
            "two hops, 50 entities, batch 512 × 3; 4 layers pre-LN, 64 / 4 / 256",
            PRESETS["composition-small"].config,
            FactsLoop,
            _FACTS,
        ),
        "comparison-small": Setting(
            "comparison of 100 entities, batch 256 × 5; 2 layers pre-LN, 32 / 4 / 64",
            PRESETS["comparison-small"].config,
            FactsLoop,
            _FACTS,
        ),
        "composition-paper": Setting(
            "two hops, 2,000 entities, batch 512 × 3; GPT-2 of 8 layers, 768 / 12 / 3,072",
            PRESETS["composition-paper"].config,
            FactsLoop,
            _FACTS,
            gpt2=gpt2_loop,
            probe_steps=1,
            evaluates=False,
        ),
        "quick": Setting(
            "addition mod 59, 60 %, full batch 2,088 × 3; 1 layer, 64 / 4 / 128",
            PRESETS["quick"].config,
            NandaLoop,
            _NANDA,
        ),
    }
)
"""By name, in the order they are told."""

COMPARED = ("nanda", "grokfast", "composition-small", "comparison-small", "composition-paper")
"""The settings of the comparison when none is named."""
