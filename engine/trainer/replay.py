"""How whole steps are recorded and replayed: forward, backward, update, the loss of each step.

Everything that changes from step to step stands in tables on the device, which are refilled
before a block: the optimiser's numbers, and the places of mini-batches. A counter on the device
says which row is next. So a recorded step is the same work at any step, and the host only says
"again"; it waits for nothing inside a block.

Shapes: ``S`` steps of a table, ``K`` numbers of an update, ``R`` runs, ``B`` examples of a step,
``N`` numbers of an evaluation.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from engine.trainer.capture import Body, Recorder
from engine.trainer.dropping import Dropping
from engine.trainer.examples import Examples, Feed
from engine.trainer.gradient import Dropped, Gradient, take_gradient
from engine.trainer.program import Program
from engine.trainer.weights import Weights

LENGTHS = (16, 1)
"""Steps of the two programs that a block is made of."""
MOST_STEPS = 256
"""Rows of a table at most; a longer block refills it."""
PLACES_BYTES = 1 << 27
"""What the table of mini-batches may take."""

Name = tuple[str, str]
"""A split and a metric."""
Measured = tuple[list[Name], Float[Tensor, "R N"]]
"""What was measured, and the numbers of each run."""
Measure = Callable[[Gradient], Measured]


class Replay:
    """The recorded steps of one set of runs; a run that leaves makes a new one necessary."""

    def __init__(
        self,
        recorder: Recorder,
        program: Program,
        weights: Weights,
        feed: Feed,
        dropping: Dropping | None,
        *,
        n_parts: int,
    ) -> None:
        self._recorder = recorder
        self._program, self._weights, self._feed = program, weights, feed
        self._dropping, self._n_parts = dropping, n_parts
        device = weights.gradient.device
        names, table = weights.table(1, first_step=1, steps=1)
        self._names = names
        self.most_steps = MOST_STEPS
        self._places = None
        if not all(feed.takes_all):
            shape = feed.places(1, 1).shape[1:]
            fitting = PLACES_BYTES // (8 * shape.numel())
            self.most_steps = max(LENGTHS[0], min(MOST_STEPS, fitting))
            self._places = torch.zeros(self.most_steps, *shape, dtype=torch.int64, device=device)
        self._columns = torch.zeros(self.most_steps, *table.shape[1:], device=device)
        self._keys = None
        if dropping is not None:
            shape = dropping.keys(1, 1).shape[1:]
            self._keys = torch.zeros(self.most_steps, *shape, dtype=torch.int64, device=device)
        n_runs = len(feed.takes_all)
        self._losses = torch.zeros(
            self.most_steps, n_runs, dtype=program.loss_dtype, device=device
        )
        self._next = torch.zeros(1, dtype=torch.int64, device=device)
        self._recorded: dict[int, Body] = {}
        self._measure: tuple[Body, Gradient, Measured] | None = None

    def prepare(self, n: int, *, first_step: int, steps: int) -> None:
        """Fill the tables for `n` updates from `first_step` on, and record what is missing.

        An error leaves the weights as they were.
        """
        _, table = self._weights.table(n, first_step=first_step, steps=steps)
        self._send(table, self._columns)
        self._send_what_is_taken(n, first_step)
        for length in LENGTHS:
            if length not in self._recorded and n >= length:
                self._recorded[length] = self._record(length)
        self._rewind()

    def run(self, n: int, gradient: Gradient | None) -> Tensor:
        """Make the `n` updates that were prepared; the losses [n, R] before each.

        `gradient` is that of the first one, where an evaluation has taken it.
        """
        left = n
        if gradient is not None:
            self._finish(gradient)
            left -= 1
        for length in LENGTHS:
            for _ in range(left // length):
                self._recorded[length]()
            left %= length
        self._weights.count(n)
        return self._losses[:n].clone()

    def measure(
        self, measure: Measure, *, step: int, with_accuracy: bool
    ) -> tuple[Gradient, Measured]:
        """Take the gradient of update `step` and measure; `measure` is the same at each call."""
        self._send_what_is_taken(1, step)
        if self._measure is None:
            self._measure = self._record_measure(measure, with_accuracy=with_accuracy)
        again, gradient, found = self._measure
        self._rewind()
        again()
        return gradient, found

    def _step(self) -> None:
        self._finish(self._gradient(with_accuracy=False))

    def _gradient(self, *, with_accuracy: bool) -> Gradient:
        return take_gradient(
            self._program,
            self._weights,
            self._examples(),
            self._dropped(),
            n_parts=self._n_parts,
            with_accuracy=with_accuracy,
        )

    def _finish(self, gradient: Gradient) -> None:
        self._losses.index_copy_(0, self._next, gradient.loss[None].to(self._losses.dtype))
        numbers = self._columns.index_select(0, self._next)[0]
        self._weights.apply(dict(zip(self._names, numbers.unbind(), strict=True)))
        self._next.add_(1)

    def _examples(self) -> Examples:
        if self._places is None:
            return self._feed.train
        return self._feed.gathered(self._places.index_select(0, self._next)[0])

    def _dropped(self) -> Dropped:
        if self._dropping is None or self._keys is None:
            return lambda *_: ()
        return partial(self._dropping.of, self._keys.index_select(0, self._next)[0])

    def _rewind(self) -> None:
        self._next.zero_()

    def _record(self, length: int) -> Body:
        def body() -> None:
            for _ in range(length):
                self._step()

        before = self._weights.copies()
        try:
            return self._recorder.record(body, rewind=self._rewind)
        finally:
            self._weights.put_back(before)

    def _record_measure(
        self, measure: Measure, *, with_accuracy: bool
    ) -> tuple[Body, Gradient, Measured]:
        """What is found is copied out of the recorded program's memory, which others use too."""
        kept: list[Tensor] = []
        names: list[Name] = []

        def body() -> None:
            gradient = self._gradient(with_accuracy=with_accuracy)
            names[:], numbers = measure(gradient)
            found = [gradient.loss, numbers]
            if not kept:
                kept.extend(torch.empty_like(each) for each in found)
            for place, each in zip(kept, found, strict=True):
                place.copy_(each)

        again = self._recorder.record(body, rewind=self._rewind)
        loss, numbers = kept
        return again, Gradient([loss], None), (names, numbers)

    def _send_what_is_taken(self, n: int, first_step: int) -> None:
        """The examples of the next updates, and what is left out."""
        if self._places is not None:
            self._send(self._feed.places(first_step, n), self._places)
        if self._dropping is not None and self._keys is not None:
            self._send(self._dropping.keys(first_step, n), self._keys)

    def _send(self, rows: Tensor, table: Tensor) -> None:
        """Fill the first rows of a table without waiting for what the device is doing."""
        if table.device.type == "cuda":
            rows = rows.pin_memory()
        table[: len(rows)].copy_(rows, non_blocking=True)
