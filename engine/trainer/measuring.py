"""What is measured on the weights of a batch between two updates, and read back at once.

Shapes: ``R`` runs, ``N`` numbers of an evaluation.
"""

import math
from collections.abc import Collection
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from engine.measures.attention import N_PROBE
from engine.optim.schedule import rate_at
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated, Metrics, Snapshot
from engine.trainer.examples import TRAIN_CAP, Examples
from engine.trainer.gradient import Gradient


def evaluate(batch: Batch) -> tuple[Evaluated, list[int]]:
    """Measure every run; runs with a number that is not finite are left out and listed.

    Loss and accuracy of `train` are those of the whole training split (in mini-batch training of
    at most `TRAIN_CAP` examples), of held-out splits always of the whole. `gradient_norm` is that
    of the examples of the next update, before anything is done to it. Where an average of the
    weights is kept, everything but `gradient_norm` is measured on that average.
    """
    with_accuracy = any(batch.feed.takes_all) and not batch.weights.averages
    found = batch.measure(partial(_numbers, batch), with_accuracy=with_accuracy)
    # one copy to the host, and so one wait for the device
    table = found.cpu().tolist()
    splits = [(name, metric) for name in batch.splits for metric in ("loss", "accuracy")]
    names = [("", "weight_norm"), ("", "gradient_norm"), *splits]
    values: dict[int, Metrics] = {}
    infinite: list[int] = []
    for (run, config), numbers in zip(batch.configs.items(), table, strict=True):
        if not all(map(math.isfinite, numbers)):
            infinite.append(run)
            continue
        tree: dict[str, dict[str, float]] = {}
        for (split, metric), number in zip(names, numbers, strict=True):
            tree.setdefault(split, {})[metric] = number
        rate = rate_at(config.optimizer, batch.step, steps=config.training.steps)
        tree[""]["learning_rate"] = rate
        values[run] = tree
    return Evaluated(batch.step, values), infinite


def _numbers(batch: Batch, gradient: Gradient) -> Float[Tensor, "R N"]:
    """Norms, then loss and accuracy of each split, on the device."""
    norms = (batch.weights.norm()[:, 0], batch.weights.gradient_norm()[:, 0])
    scores = list(_train_scores(batch, gradient))
    for split in batch.held_out.values():
        scores += _scores(batch, split)
    precise = scores[0].dtype
    return torch.stack([values.to(precise) for values in (*norms, *scores)], 1)


def photograph(batch: Batch, runs: Collection[int]) -> Snapshot:
    """Read the attention maps of the runs' heads, as one array [L, H, T, T] a run.

    They are means over the first examples of the first held-out split, the same at each step.
    """
    probe = next(iter(batch.held_out.values()))
    by_group: list[Tensor] = []
    for group in batch.weights.shown_groups:
        seen = probe.of(group.rows)
        tokens = seen.tokens[:, : min(N_PROBE, *seen.n_rows)]
        by_group.append(batch.program.attention(group.leaves, tokens))
    maps = torch.cat(by_group).cpu().numpy()
    by_run = zip(batch.runs, maps, strict=True)
    arrays = {run: {"attention": heads} for run, heads in by_run if run in runs}
    return Snapshot(batch.step, "attention", arrays)


def _train_scores(batch: Batch, gradient: Gradient) -> tuple[Tensor, Tensor]:
    """Of the gradient's own pass where a run takes all its rows, of `TRAIN_CAP` rows elsewhere.

    Where an average of the weights is kept, the gradient's pass says nothing of it.
    """
    takes_all = batch.feed.takes_all
    if not any(takes_all):
        return _scores(batch, batch.feed.train.at(slice(0, TRAIN_CAP)))
    whole = (
        _scores(batch, batch.feed.train)
        if gradient.accuracy is None
        else (gradient.loss, gradient.accuracy)
    )
    if all(takes_all):
        return whole
    loss, accuracy = _scores(batch, batch.feed.train.at(slice(0, TRAIN_CAP)))
    taken = batch.feed.takes_all_rows
    return torch.where(taken, whole[0], loss), torch.where(taken, whole[1], accuracy)


def _scores(batch: Batch, examples: Examples) -> tuple[Tensor, Tensor]:
    by_group = [
        batch.program.scores(group.leaves, examples.of(group.rows))
        for group in batch.weights.shown_groups
    ]
    loss, accuracy = zip(*by_group, strict=True)
    return torch.cat(loss), torch.cat(accuracy)
