"""The examples of several runs on their device, and which of them each step takes.

Shapes: ``R`` runs, ``N`` examples of a split, ``B`` examples of a step, ``T`` tokens,
``A`` answer positions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from data import IGNORED, TaskData
from engine.trainer.order import batch_of_step, permutation

CHUNK = 4096
"""Examples of one evaluation pass: bounds memory."""

TRAIN_CAP = 2_048
"""Train metrics of a mini-batch run are taken on at most so many examples, its split's first.

Splits are in random order, so they are a fair sample; full-batch runs are measured on all."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Token rows and answers of several runs."""

    tokens: Int64[Tensor, "R B T"]
    targets: Int64[Tensor, "R B A"]

    def of(self, runs: slice | list[int]) -> "Examples":
        """The examples of some runs."""
        return Examples(self.tokens[runs], self.targets[runs])

    def at(self, places: slice) -> "Examples":
        """Some examples of every run."""
        return Examples(self.tokens[:, places], self.targets[:, places])

    def parts(self, n: int) -> Iterator["Examples"]:
        """Cut into `n` nearly equal parts."""
        pairs = zip(self.tokens.tensor_split(n, 1), self.targets.tensor_split(n, 1), strict=True)
        return (Examples(tokens, targets) for tokens, targets in pairs if tokens.shape[1])

    def chunks(self) -> Iterator["Examples"]:
        """Cut into parts that an evaluation takes at a time."""
        return self.parts(-(-self.tokens.shape[1] // CHUNK))

    def n_answers(self) -> Int64[Tensor, " R"]:
        """How many answers are asked for, by run."""
        return (self.targets != IGNORED).sum((1, 2))


def stack(tasks: Sequence[TaskData], split: str, device: torch.device) -> Examples:
    """One split of every run, on the device."""
    splits = [task.splits[split] for task in tasks]
    return Examples(
        torch.stack([torch.from_numpy(s.tokens) for s in splits]).to(device),
        torch.stack([torch.from_numpy(s.targets) for s in splits]).to(device),
    )


class Feed:
    """Which examples each update takes; all of them when the batch size is 0 or covers them."""

    def __init__(self, train: Examples, *, batch_size: int, order_seeds: list[int]) -> None:
        self.train = train
        self.order_seeds = order_seeds
        n = train.tokens.shape[1]
        self.batch_size = batch_size if 0 < batch_size < n else n
        self.full_batch = self.batch_size == n
        self._epoch = -1
        self._ordered = train

    def at(self, step: int) -> Examples:
        """The examples of update `step`, counted from 1."""
        if self.full_batch:
            return self.train
        n = self.train.tokens.shape[1]
        epoch, places = batch_of_step(step, n=n, batch_size=self.batch_size)
        if epoch != self._epoch:
            self._epoch, self._ordered = epoch, self._order(epoch)
        return self._ordered.at(places)

    def keep(self, rows: list[int]) -> "Feed":
        """The same feed for some of its runs."""
        seeds = [self.order_seeds[row] for row in rows]
        return Feed(self.train.of(rows), batch_size=self.batch_size, order_seeds=seeds)

    def _order(self, epoch: int) -> Examples:
        n, device = self.train.tokens.shape[1], self.train.tokens.device
        orders = [permutation(n, order_seed=seed, epoch=epoch) for seed in self.order_seeds]
        index = torch.stack(orders).to(device)[..., None]
        return Examples(
            self.train.tokens.take_along_dim(index, 1), self.train.targets.take_along_dim(index, 1)
        )
