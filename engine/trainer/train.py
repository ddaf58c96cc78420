"""How a batch of runs is trained: blocks of updates, and what is told between them."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from engine.trainer.batch import Batch
from engine.trainer.cadence import Cadence
from engine.trainer.events import CheckpointDue, Diverged, Event, Finished, Metrics, Progress
from engine.trainer.measuring import evaluate, photograph

BLOCK_STEPS = 64


def train(batch: Batch, block_steps: Callable[[], int] = lambda: BLOCK_STEPS) -> Iterator[Event]:
    """Train to the end of the budget, telling what happens; see `engine.trainer.events`.

    `block_steps` is asked before each block for the most updates it may have, so that a caller
    with a clock can bound how long it waits for the next `Progress`. The caller may remove runs
    and read states whenever it holds an event.
    """
    turn = _Turn()
    cadence = Cadence(last=batch.training.steps, eval_every=batch.training.eval_every)
    while batch.runs and batch.step < cadence.last:
        start = batch.step
        batch.advance(min(cadence.following(start) - start, max(block_steps(), 1)))
        step = batch.step
        yield from _leave(batch, batch.diverged())
        if batch.runs and step == cadence.evaluation(start):
            evaluated, infinite = evaluate(batch)
            yield from _leave(batch, dict.fromkeys(infinite, step))
            if evaluated.values:
                yield evaluated
            turn.watch(evaluated.values)
        due = batch.runs if step == cadence.snapshot(start) else turn.runs(batch.runs)
        if due and batch.program.has_maps:
            yield photograph(batch, due)
            turn.photographed(due)
        if batch.runs and step == cadence.checkpoint(start):
            yield CheckpointDue(step)
        if batch.runs:
            yield Progress(step)
    yield Finished(batch.step)


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
            (abs(now[split] - then[split]) for split in now.keys() & then.keys()), default=0
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
