"""Whether coarser matrix products change when a run memorises or groks: many seeds of each.

The same seed starts from the same weights on the same split in every precision, so that runs are
compared in pairs. Two runs that differ in a rounding drift apart as two seeds do; what counts is
whether one precision is later, or fails, more often than chance would have it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles, stdev
from typing import Any

import numpy as np
import torch

from engine.config import apply
from engine.config.presets import PRESETS
from engine.config.run import RunConfig
from engine.measures.onset import detect
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated
from engine.trainer.train import train

PRESET, SEEDS = "quick", 20
BASE = "float32"
_FLIPS = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run; a step is None where it was not reached."""

    memorised: int | None
    grokked: int | None
    collapsed_share: float
    """Most training examples at any evaluation whose softmax is exactly 0 but for one class."""
    test_accuracy: float


def precision(n_seeds: int = SEEDS, *, steps: int | None = None) -> list[dict[str, Any]]:
    """One row a precision: quartiles of the markers, and how they compare with float32.

    On a CPU tf32 is float32. `steps` shortens the preset's budget.
    """
    torch.set_num_threads(1)
    precisions = (BASE, "bfloat16")
    budget = {} if steps is None else {"training.steps": str(steps)}
    outcomes = {
        each: [outcome(apply(_config(each, seed), budget)) for seed in range(n_seeds)]
        for each in precisions
    }
    return [_row(each, outcomes[each], outcomes[BASE]) for each in precisions]


def outcome(config: RunConfig) -> Outcome:
    """Train one run to its end."""
    batch = Batch.start({0: config})
    steps: list[int] = []
    accuracies: dict[str, list[float | None]] = {"train": [], "test": []}
    collapsed = 0.0
    for event in train(batch):
        if isinstance(event, Evaluated):
            steps.append(event.step)
            for split, curve in accuracies.items():
                curve.append(event.values[0][split]["accuracy"])
            collapsed = max(collapsed, collapsed_share(batch))
    test = accuracies.pop("test")
    markers = detect(steps, accuracies["train"], {"test": test})
    found = {marker.kind: marker.step for marker in markers}
    return Outcome(found.get("memorised"), found.get("grokked"), collapsed, test[-1] or 0.0)


def collapsed_share(batch: Batch) -> float:
    """Share of the training examples whose loss is exactly 0: all other classes are absorbed.

    Source: Prieto et al. 2025, section 3 (softmax collapse).
    """
    (group,) = batch.weights.shown_groups
    seen = batch.feed.train
    # as training sees them, where its network knows the way back itself
    by_hand = batch.program.by_hand(group, seen, beside=True)
    logits = by_hand[1] if by_hand else batch.program.gradients(group.leaves, seen)[2]
    precise = logits.to(getattr(torch, batch.training.loss_precision))
    sums = (precise - precise.amax(-1, keepdim=True)).exp().sum(-1)
    return float((sums == 1).double().mean())


def paired_p(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How often flipping the signs of paired differences gives a mean as far from 0 as theirs.

    Two-sided; 1 where nothing differs. Source: Fisher 1935, section 21.
    """
    differences = np.asarray(ours) - np.asarray(theirs)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(_FLIPS, len(differences)))
    means = np.abs((signs * differences).mean(1))
    return float((means >= abs(differences.mean()) - 1e-12).mean())


def _config(each: str, seed: int) -> RunConfig:
    settings = {"training.precision": each, "training.seed": str(seed), "training.device": "cpu"}
    return apply(PRESETS[PRESET].config, settings)


def _row(each: str, found: Sequence[Outcome], base: Sequence[Outcome]) -> dict[str, Any]:
    row: dict[str, Any] = {"preset": PRESET, "precision": each, "seeds": len(found)}
    for kind in ("memorised", "grokked"):
        reached = [step for one in found if (step := getattr(one, kind))]
        pairs = [
            (math.log(ours), math.log(theirs))
            for one, other in zip(found, base, strict=True)
            if (ours := getattr(one, kind)) and (theirs := getattr(other, kind))
        ]
        row[kind] = len(reached)
        if len(pairs) < 2:
            continue
        ours, theirs = zip(*pairs, strict=True)
        row |= {
            f"{kind}_quartiles": [round(q) for q in quantiles(reached, n=4)],
            f"{kind}_to_{BASE}": round(math.exp(median(a - b for a, b in pairs)), 3),
            f"{kind}_seed_noise": round(math.exp(stdev(theirs)), 3),
            f"{kind}_p": round(paired_p(ours, theirs), 3),
        }
    return row | {
        "largest_collapsed_share": max(one.collapsed_share for one in found),
        "least_test_accuracy": round(min(one.test_accuracy for one in found), 4),
    }
