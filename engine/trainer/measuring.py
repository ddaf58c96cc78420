"""What is measured on the weights of a batch between two updates, and read back at once.

Shapes: ``R`` runs.
"""

import math

import torch
from torch import Tensor

from engine.optim.schedule import rate_at
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated, Metrics, Snapshot
from engine.trainer.examples import TRAIN_CAP, Examples

SNAPSHOT_EXAMPLES = 256
"""Attention maps are means over so many training examples."""


def evaluate(batch: Batch) -> tuple[Evaluated, list[int]]:
    """Measure every run; runs with a number that is not finite are left out and listed.

    Loss and accuracy of `train` are those of the whole training split (of its first 16,384
    examples in mini-batch training), of held-out splits always of the whole. `gradient_norm` is
    that of the examples of the next update, before clipping.
    """
    gradient = batch.gradient(with_accuracy=batch.feed.full_batch)
    found: dict[tuple[str, str], Tensor] = {
        ("", "weight_norm"): batch.weights.norm()[:, 0],
        ("", "gradient_norm"): batch.weights.gradient_norm()[:, 0],
    }
    if gradient.accuracy is not None:
        found["train", "loss"], found["train", "accuracy"] = gradient.loss, gradient.accuracy
    else:
        train = batch.feed.train.at(slice(0, TRAIN_CAP))
        found["train", "loss"], found["train", "accuracy"] = _scores(batch, train)
    for name, split in batch.held_out.items():
        found[name, "loss"], found[name, "accuracy"] = _scores(batch, split)
    # one copy to the host, and so one wait for the device
    table = torch.stack([values.to(torch.float64) for values in found.values()], 1).cpu().tolist()
    values: dict[int, Metrics] = {}
    infinite: list[int] = []
    for (run, config), numbers in zip(batch.configs.items(), table, strict=True):
        if not all(map(math.isfinite, numbers)):
            infinite.append(run)
            continue
        tree: dict[str, dict[str, float]] = {}
        for (split, metric), number in zip(found, numbers, strict=True):
            tree.setdefault(split, {})[metric] = number
        rate = rate_at(config.optimizer, batch.step, steps=config.training.steps)
        tree[""]["learning_rate"] = rate
        values[run] = tree
    return Evaluated(batch.step, values), infinite


def photograph(batch: Batch) -> Snapshot:
    """Read the attention maps of every run off a few of its training examples."""
    tokens = batch.feed.train.at(slice(0, SNAPSHOT_EXAMPLES)).tokens
    maps = torch.cat(
        [
            batch.program.attention(group.leaves, tokens[group.rows]).mean(2)
            for group in batch.weights.groups
        ]
    )
    arrays = dict(zip(batch.runs, ({"attention": a} for a in maps.cpu().numpy()), strict=True))
    return Snapshot(batch.step, "attention", arrays)


def _scores(batch: Batch, examples: Examples) -> tuple[Tensor, Tensor]:
    by_group = [
        batch.program.scores(group.leaves, examples.of(group.rows))
        for group in batch.weights.groups
    ]
    loss, accuracy = zip(*by_group, strict=True)
    return torch.cat(loss), torch.cat(accuracy)
