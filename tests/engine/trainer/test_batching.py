"""Runs that differ in settings which a batch leaves free share one, and are as they are alone."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from engine.config import RunConfig, apply
from engine.trainer import weights
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated
from engine.trainer.mapping import groups
from engine.trainer.shape import shape_key
from engine.trainer.train import train

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

BASE = apply(
    RunConfig(),
    {
        "task.p": 7,
        "model.d_model": 16,
        "model.n_heads": 2,
        "model.d_mlp": 32,
        "training.steps": 24,
        "training.eval_every": 8,
        "training.device": "cpu",
    },
)
FACTS = apply(
    BASE,
    {
        "task.kind": "comparison",
        "task.n_entities": 60,
        "task.n_attributes": 2,
        "task.n_values": 4,
        "task.phi": 2.0,
        "training.batch_size": 16,
        "training.steps": 12,
    },
)
SEARCH = apply(
    FACTS,
    {
        "task.kind": "search",
        "task.n_entities": 60,
        "task.n_attributes": 1,
        "task.n_values": 2,
        "task.shown_share": 0.015,
        "task.hard_per_label": 1,
    },
)
FREE: dict[str, tuple[RunConfig, list[dict[str, Any]]]] = {
    "seed": (BASE, [{"training.seed": seed} for seed in (0, 1, 2)]),
    "split": (BASE, [{"training.split_seed": seed} for seed in (1, 2)]),
    "order": (FACTS, [{"training.order_seed": seed} for seed in (1, 2)]),
    "initial weights": (BASE, [{"training.init_seed": seed} for seed in (1, 2)]),
    "learning rate": (BASE, [{"optimizer.learning_rate": rate} for rate in (1e-4, 1e-2)]),
    "decay": (BASE, [{"optimizer.weight_decay": decay} for decay in (0.0, 3.0)]),
    "train fraction": (BASE, [{"task.train_fraction": share} for share in (0.3, 0.5, 0.9)]),
    "phi": (FACTS, [{"task.phi": phi} for phi in (1.0, 2.0, 4.0)]),
    "betas": (BASE, [{"optimizer.betas": betas} for betas in ((0.9, 0.98), (0.5, 0.9))]),
    "epsilon": (BASE, [{"optimizer.eps": eps} for eps in (1e-8, 1e-3)]),
    "warm-up": (BASE, [{"optimizer.warmup_steps": n} for n in (0, 10)]),
    "schedule": (BASE, [{"optimizer.schedule": kind} for kind in ("constant", "cosine")]),
    "clipping": (BASE, [{"optimizer.clip_norm": norm} for norm in (0.0, 0.1)]),
    # the draw of seed 3 leaves no easy query
    "a split that one lacks": (SEARCH, [{"training.split_seed": seed} for seed in (3, 4)]),
    "label noise": (BASE, [{"training.label_noise": share} for share in (0.0, 0.5)]),
}
free = pytest.mark.parametrize("what", FREE)


def differing(what: str) -> dict[int, RunConfig]:
    base, changes = FREE[what]
    return {run: apply(base, each) for run, each in enumerate(changes)}


def curves(configs: Mapping[int, RunConfig]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {run: [] for run in configs}
    for event in train(Batch.start(configs)):
        if isinstance(event, Evaluated):
            for run, values in event.values.items():
                found[run].append((event.step, values))
    return found


@free
def test_they_share_a_program_and_not_a_bit(what: str):
    configs = differing(what)
    assert len({shape_key(config) for config in configs.values()}) == 1
    together = curves(configs)
    assert {run: curves({run: config})[run] for run, config in configs.items()} == together
    assert together[0] != together[1]


@free
def test_mapped_together_as_on_an_accelerator_they_follow_the_same_curves(
    what: str, monkeypatch: pytest.MonkeyPatch
):
    configs = differing(what)
    one_by_one = curves(configs)
    accelerator = torch.device("cuda")
    monkeypatch.setattr(weights, "groups", lambda n, _: groups(n, accelerator))
    mapped = curves(configs)
    for run, curve in one_by_one.items():
        for (step, expected), (same, found) in zip(curve, mapped[run], strict=True):
            assert step == same
            for split, metrics in expected.items():
                close = pytest.approx(metrics, rel=2e-3, abs=2e-3)
                assert found[split] == close, (run, step, split)
