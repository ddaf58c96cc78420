"""What is measured on the weights of a batch between two updates, and read back at once.

Shapes: ``R`` runs.
"""

import math
from collections.abc import Collection, Iterator
from functools import partial

import torch
from torch import Tensor

from data import IGNORED
from engine.measures.attention import N_PROBE
from engine.optim.schedule import rate_at
from engine.trainer.batch import Batch
from engine.trainer.events import Evaluated, Metrics, Snapshot
from engine.trainer.examples import TRAIN_CAP, Examples
from engine.trainer.gradient import Gradient
from engine.trainer.replay import Measured, Name


def evaluate(batch: Batch) -> tuple[Evaluated, list[int]]:
    """Measure every run; runs with a number that is not finite are left out and listed.

    Loss and accuracy of `train` are those of the whole training split (in mini-batch training of
    at most `TRAIN_CAP` examples), of held-out splits always of the whole. `gradient_norm` is that
    of the examples of the next update, before anything is done to it. Where an average of the
    weights is kept, everything but `gradient_norm` is measured on that average; nothing else is
    measured with dropout. Where later answers of a row know more, accuracy is told for each.
    """
    with_accuracy = any(batch.feed.takes_all) and not batch.weights.averages and not batch.drops
    names, numbers = batch.measure(partial(measured, batch), with_accuracy=with_accuracy)
    # one copy to the host, and so one wait for the device
    table = numbers.cpu().tolist()
    values: dict[int, Metrics] = {}
    infinite: list[int] = []
    for (run, config), row in zip(batch.configs.items(), table, strict=True):
        if not all(map(math.isfinite, row)):
            infinite.append(run)
            continue
        tree: dict[str, dict[str, float]] = {}
        for (split, metric), number in zip(names, row, strict=True):
            if split in batch.lacking[run]:
                continue
            tree.setdefault(split, {})[metric] = number
        rate = rate_at(config.optimizer, batch.step, steps=config.training.steps)
        tree[""]["learning_rate"] = rate
        values[run] = tree
    return Evaluated(batch.step, values), infinite


def measured(batch: Batch, gradient: Gradient) -> Measured:
    """What `evaluate` tells, as numbers that still lie on the device."""
    found: dict[Name, Tensor] = {
        ("", "weight_norm"): batch.weights.norm()[:, 0],
        ("", "gradient_norm"): batch.weights.gradient_norm()[:, 0],
    }
    found["train", "loss"], found["train", "accuracy"] = _train_scores(batch, gradient)
    for name in batch.held_out:
        measure = _scores_by_answer if batch.by_answer else _named_scores
        found |= {(name, metric): told for metric, told in measure(batch, name)}
    precise = found["train", "loss"].dtype
    return list(found), torch.stack([values.to(precise) for values in found.values()], 1)


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

    Where an average of the weights is kept, or a run has dropout, the gradient's pass says
    nothing of it.
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


def _named_scores(batch: Batch, split: str) -> Iterator[tuple[str, Tensor]]:
    scores = _scores(batch, batch.held_out[split])
    yield from zip(("loss", "accuracy"), scores, strict=True)


def _scores_by_answer(batch: Batch, split: str) -> Iterator[tuple[str, Tensor]]:
    """Also `accuracy_shot_1` for the first answer of a row, and so on; of those that are asked."""
    examples = batch.held_out[split]
    by_group = [
        batch.program.scores_by_answer(group.leaves, examples.of(group.rows))
        for group in batch.weights.shown_groups
    ]
    loss, right = (torch.cat(each) for each in zip(*by_group, strict=True))
    asked = (examples.targets != IGNORED).sum(1)
    yield "loss", loss
    yield "accuracy", right.sum(1) / examples.n_answers().clamp(min=1)
    for place in batch.asked(split):
        yield f"accuracy_shot_{place + 1}", right[:, place] / asked[:, place].clamp(min=1)


def _scores(batch: Batch, examples: Examples) -> tuple[Tensor, Tensor]:
    by_group = [
        batch.program.scores(group.leaves, examples.of(group.rows))
        for group in batch.weights.shown_groups
    ]
    loss, accuracy = zip(*by_group, strict=True)
    return torch.cat(loss), torch.cat(accuracy)
