"""How a batch of runs is trained: blocks of updates, and what is told between them."""

from collections.abc import Callable, Iterator

from engine.trainer.batch import Batch
from engine.trainer.cadence import Cadence
from engine.trainer.events import CheckpointDue, Diverged, Event, Finished, Progress
from engine.trainer.measuring import evaluate, photograph

BLOCK_STEPS = 64


def train(batch: Batch, block_steps: Callable[[], int] = lambda: BLOCK_STEPS) -> Iterator[Event]:
    """Train to the end of the budget, telling what happens; see `engine.trainer.events`.

    `block_steps` is asked before each block for the most updates it may have, so that a caller
    with a clock can bound how long it waits for the next `Progress`. The caller may remove runs
    and read states whenever it holds an event.
    """
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
        if batch.runs and step == cadence.snapshot(start):
            yield photograph(batch)
        if batch.runs and step == cadence.checkpoint(start):
            yield CheckpointDue(step)
        if batch.runs:
            yield Progress(step)
    yield Finished(batch.step)


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
