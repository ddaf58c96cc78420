"""The examples of several runs on their device, and which of them each step takes.

Shapes: ``R`` runs, ``N`` examples of a split, ``B`` examples of a step, ``T`` tokens,
``A`` answer positions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn import functional as F

from data import IGNORED, TaskData
from engine.trainer.order import batch_of_step, permutation

TRAIN_CAP = 2_048
"""Train metrics of a mini-batch run are taken on at most so many examples, its split's first.

Splits are in random order, so they are a fair sample; full-batch runs are measured on all."""


Rows = tuple[Int64[Tensor, "_ T"], Int64[Tensor, "_ A"]]
"""Token rows and answers of one run."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Token rows and answers of several runs.

    Runs may have different numbers of rows: those past a run's own ask for no answer, and a run
    that is computed alone does not see them.
    """

    tokens: Int64[Tensor, "R B T"]
    targets: Int64[Tensor, "R B A"]
    n_rows: tuple[int, ...]
    """How many rows each run has, at most B."""
    _known: dict[Any, Any] = field(default_factory=dict[Any, Any], repr=False, compare=False)
    """What was asked for before: a full batch is the same at every step."""

    def of(self, runs: slice | list[int]) -> "Examples":
        """The examples of some runs, no longer than the longest of them."""
        if isinstance(runs, list):
            return self._of(runs, tuple(map(self._n, runs)))
        key = runs.start, runs.stop
        if key not in self._known:
            self._known[key] = self._of(runs, self.n_rows[runs])
        return self._known[key]

    def _of(self, runs: slice | list[int], n_rows: tuple[int, ...]) -> "Examples":
        longest = max(n_rows)
        return Examples(self.tokens[runs, :longest], self.targets[runs, :longest], n_rows)

    def alone(self) -> "Alone":
        """Those of one run: there is no other."""
        if Alone not in self._known:
            (tokens,), (targets,) = self.tokens, self.targets
            n_asked = int((targets != IGNORED).sum())
            self._known[Alone] = Alone(tokens, targets.flatten().contiguous(), n_asked)
        return self._known[Alone]

    def at(self, places: slice) -> "Examples":
        """Some examples of every run; `places` has no step."""
        start, stop, _ = places.indices(self.tokens.shape[1])
        n_rows = tuple(min(max(n - start, 0), stop - start) for n in self.n_rows)
        return Examples(self.tokens[:, places], self.targets[:, places], n_rows)

    def parts(self, n: int) -> Iterator["Examples"]:
        """Cut into `n` nearly equal parts."""
        if n == 1:
            return iter((self,))
        size, rest = divmod(self.tokens.shape[1], n)
        ends = [0, *accumulate(size + (i < rest) for i in range(n))]
        return (self.at(slice(*part)) for part in pairwise(ends) if part[0] < part[1])

    def chunks(self, most: int) -> Iterator["Examples"]:
        """Cut into as few nearly equal parts as have at most so many examples."""
        n = -(-self.tokens.shape[1] // most)
        return self.parts(n) if n > 1 else iter((self,))

    def by_run(self) -> list[Rows]:
        """Each run's own rows."""
        each = zip(self.tokens, self.targets, self.n_rows, strict=True)
        return [(tokens[:n], targets[:n]) for tokens, targets, n in each]

    def n_answers(self) -> Int64[Tensor, " R"]:
        """How many answers are asked for, by run."""
        return (self.targets != IGNORED).sum((1, 2))

    def _n(self, run: int) -> int:
        return self.n_rows[run]


class Alone(NamedTuple):
    """The examples of one run."""

    tokens: Int64[Tensor, "B T"]
    targets: Int64[Tensor, " BA"]
    n_asked: int
    """How many of these ask for an answer."""


def joined(runs: Sequence[Rows]) -> Examples:
    """The examples of several runs, those with fewer rows filled up with rows that ask nothing."""
    n_rows = tuple(len(tokens) for tokens, _ in runs)
    missing = [max(n_rows) - n for n in n_rows]
    tokens = [
        F.pad(tokens, (0, 0, 0, n)) if n else tokens
        for (tokens, _), n in zip(runs, missing, strict=True)
    ]
    targets = [
        F.pad(targets, (0, 0, 0, n), value=IGNORED) if n else targets
        for (_, targets), n in zip(runs, missing, strict=True)
    ]
    return Examples(torch.stack(tokens), torch.stack(targets), n_rows)


def side_by_side(rows: Rows) -> Rows:
    """The same rows, in the order of their tokens.

    Those that begin alike look up the same rows of tables, which are then still in the cache.
    """
    tokens, targets = rows
    order = torch.arange(len(tokens), device=tokens.device)
    for column in tokens.flip(1).unbind(1):
        order = order[column[order].argsort(stable=True)]
    return tokens[order], targets[order]


def held_out_names(tasks: Sequence[TaskData]) -> tuple[str, ...]:
    """The splits that some of the tasks hold out: a seed's draw may leave one empty."""
    return tuple(dict.fromkeys(name for task in tasks for name in task.splits if name != "train"))


def stack(tasks: Sequence[TaskData], split: str, device: torch.device) -> Examples:
    """One split of every run, on the device; of a run without it, a row that asks nothing."""
    every = joined([_rows(task, split) for task in tasks])
    return Examples(every.tokens.to(device), every.targets.to(device), every.n_rows)


def _rows(task: TaskData, split: str) -> Rows:
    found = task.splits.get(split)
    if found is not None:
        return torch.from_numpy(found.tokens), torch.from_numpy(found.targets)
    some = task.splits["train"]
    tokens, targets = torch.from_numpy(some.tokens[:1]), torch.from_numpy(some.targets[:1])
    return tokens, torch.full_like(targets, IGNORED)


class Feed:
    """Which examples each update takes; all of them when the batch size is 0 or covers them.

    A run that takes all has them in the order of their tokens, others in that of their split.
    """

    def __init__(self, train: Examples, *, batch_size: int, order_seeds: list[int]) -> None:
        self.order_seeds = order_seeds
        self.batch_size = batch_size
        self.takes_all = tuple(not 0 < batch_size < n for n in train.n_rows)
        """Which runs take all their rows at every step."""
        self._ordered: list[Rows] = [
            side_by_side(rows) if takes_all else rows
            for rows, takes_all in zip(train.by_run(), self.takes_all, strict=True)
        ]
        self.train = joined(self._ordered) if any(self.takes_all) else train
        self.takes_all_rows = torch.tensor(self.takes_all, device=train.tokens.device)
        self._permuted: dict[int, tuple[int, Tensor]] = {}
        self._epochs = [-1] * len(train.n_rows)

    def at(self, step: int) -> Examples:
        """The examples of update `step`, counted from 1."""
        if all(self.takes_all):
            return self.train
        taken: list[Rows] = []
        for run, n in enumerate(self.train.n_rows):
            places = slice(None)
            if not self.takes_all[run]:
                epoch, places = batch_of_step(step, n=n, batch_size=self.batch_size)
                if epoch != self._epochs[run]:
                    self._epochs[run], self._ordered[run] = epoch, self._order(run, epoch)
            tokens, targets = self._ordered[run]
            taken.append((tokens[places], targets[places]))
        return joined(taken)

    def places(self, first_step: int, n: int) -> Int64[Tensor, "S R B"]:
        """Which rows of `train` the `n` updates from `first_step` on take, on the host.

        Where a run takes all its rows, those past its own ask for no answer.
        """
        every = torch.arange(max(self._n_taken))
        steps = range(first_step, first_step + n)
        by_run = [
            every.expand(n, -1) if takes_all else torch.stack([self._taken(run, s) for s in steps])
            for run, takes_all in enumerate(self.takes_all)
        ]
        return torch.stack(by_run, 1)

    def gathered(self, places: Int64[Tensor, "R B"]) -> Examples:
        """The examples at such places, on the device, without a word from the host."""
        tokens, targets = (
            rows.gather(1, places[..., None].expand(-1, -1, rows.shape[2]))
            for rows in (self.train.tokens, self.train.targets)
        )
        return Examples(tokens, targets, self._n_taken)

    @property
    def _n_taken(self) -> tuple[int, ...]:
        """How many rows each run takes at a step."""
        each = zip(self.train.n_rows, self.takes_all, strict=True)
        return tuple(n if takes_all else self.batch_size for n, takes_all in each)

    def _taken(self, run: int, step: int) -> Tensor:
        n = self.train.n_rows[run]
        epoch, places = batch_of_step(step, n=n, batch_size=self.batch_size)
        if self._permuted.get(run, (-1, None))[0] != epoch:
            seed = self.order_seeds[run]
            self._permuted[run] = epoch, permutation(n, order_seed=seed, epoch=epoch)
        return self._permuted[run][1][places]

    def keep(self, rows: list[int]) -> "Feed":
        """The same feed for some of its runs."""
        seeds = [self.order_seeds[row] for row in rows]
        return Feed(self.train.of(rows), batch_size=self.batch_size, order_seeds=seeds)

    def _order(self, run: int, epoch: int) -> Rows:
        n, device = self.train.n_rows[run], self.train.tokens.device
        order = permutation(n, order_seed=self.order_seeds[run], epoch=epoch).to(device)
        return self.train.tokens[run, order], self.train.targets[run, order]
