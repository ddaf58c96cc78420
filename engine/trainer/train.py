"""How a batch of runs is trained: blocks of updates, and what is told between them."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from engine.trainer.batch import Batch
from engine.trainer.cadence import Cadence
from engine.trainer.events import (
    CheckpointDue,
    Crowded,
    Diverged,
    Evaluated,
    Event,
    Finished,
    Metrics,
    Progress,
)
from engine.trainer.measuring import evaluate, photograph
from engine.trainer.memory import is_out_of_memory, release

Result = TypeVar("Result")

BLOCK_STEPS = 64


def train(
    batch: Batch,
    block_steps: Callable[[], int] = lambda: BLOCK_STEPS,
    *,
    forked: Collection[int] = (),
) -> Iterator[Event]:
    """Train to the end of the budget, telling what happens; see `engine.trainer.events`.

    The runs `forked` are measured before their first update too: they begin with weights that
    another run has trained, perhaps with other loops or other data.

    `block_steps` is asked before each block for the most updates it may have, so that a caller
    with a clock can bound how long it waits for the next `Progress`. The caller may remove runs
    and read states whenever it holds an event.
    """
    turn = _Turn()
    cadence = Cadence(last=batch.training.steps, eval_every=batch.training.eval_every)
    if forked and batch.step < cadence.last:
        yield from _first_look(batch, forked)
    while batch.runs and batch.step < cadence.last:
        start = batch.step
        step = start + min(cadence.following(start) - start, max(block_steps(), 1))
        yield from _fit(batch, partial(batch.advance_to, step), is_told=True)
        yield from _leave(batch, batch.diverged())
        if batch.runs and step == cadence.evaluation(start):
            evaluated, infinite = yield from _fit(batch, partial(evaluate, batch))
            yield from _leave(batch, dict.fromkeys(infinite, step))
            if evaluated.values:
                yield evaluated
            turn.watch(evaluated.values)
        due = batch.runs if step == cadence.snapshot(start) else turn.runs(batch.runs)
        if due and batch.program.has_maps:
            yield (yield from _fit(batch, partial(photograph, batch, due)))
            turn.photographed(due)
        if batch.runs and step == cadence.checkpoint(start):
            yield CheckpointDue(step)
        if batch.runs:
            yield Progress(step)
    yield Finished(batch.step)


def _first_look(batch: Batch, runs: Collection[int]) -> Iterator[Event]:
    """What some runs are before their first update; a loss that is not finite shows later."""
    evaluated, _ = yield from _fit(batch, partial(evaluate, batch))
    told = {run: values for run, values in evaluated.values.items() if run in runs}
    if told:
        yield Evaluated(batch.step, told)
    seen = [run for run in batch.runs if run in runs]
    if seen and batch.program.has_maps:
        yield (yield from _fit(batch, partial(photograph, batch, seen)))


def _fit(
    batch: Batch, act: Callable[[], Result], *, is_told: bool = False
) -> Generator[Crowded, None, Result]:
    """Do something, with half of the runs where memory does not suffice for all, and so on.

    Raises:
        Exception: what `act` raised, where one run alone is too large, or where an update was
            broken off, so that no state is whole.
    """
    while True:
        try:
            return act()
        except Exception as error:
            if not is_out_of_memory(error) or len(batch.runs) == 1 or not batch.is_whole:
                raise
        # outside the handler: the error's frames hold the tensors that were too many
        batch.forget_passes()
        leaving = batch.runs[-(len(batch.runs) // 2) :]
        yield Crowded(batch.step, leaving, is_told)
        for run in leaving:
            if run in batch.runs:
                batch.remove(run)
        release()


class _Turn:
    """Which runs' accuracies have moved by `MOVE` since their last snapshot: one more is due.

    So snapshots are dense where a run memorises or groks. A resumed run starts watching anew.
    """

    MOVE = 0.1

    def __init__(self) -> None:
        self._now: dict[int, dict[str, float]] = {}
        self._then: dict[int, dict[str, float]] = {}

    def watch(self, values: Mapping[int, Metrics]) -> None:
        """Take in what was just evaluated."""
        for run, tree in values.items():
            found = {split: each["accuracy"] for split, each in tree.items() if "accuracy" in each}
            self._now[run] = found
            self._then.setdefault(run, found)

    def runs(self, among: Sequence[int]) -> tuple[int, ...]:
        """Those of the runs that have turned."""
        return tuple(run for run in among if self._distance(run) >= self.MOVE)

    def photographed(self, runs: Sequence[int]) -> None:
        """Count from here."""
        for run in runs:
            if run in self._now:
                self._then[run] = self._now[run]

    def _distance(self, run: int) -> float:
        now, then = self._now.get(run, {}), self._then.get(run, {})
        return max(
            (abs(now[split] - then[split]) for split in now.keys() & then.keys()), default=0.0
        )


def _leave(batch: Batch, diverged: dict[int, int]) -> Iterator[Diverged]:
    for run, step in diverged.items():
        settings = batch.configs[run].optimizer
        batch.remove(run)
        clipping = (
            "turn on clipping (clip_norm 1)"
            if settings.clip_norm == 0
            else f"lower clip_norm (now {settings.clip_norm:g})"
        )
        message = (
            f"the loss stopped being finite after step {step:,}. "
            f"Lower learning_rate (now {settings.learning_rate:g}) or {clipping}."
        )
        yield Diverged(run, step, message)
