"""How a batch is trained until its last run has ended, with everything recorded."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import psutil
import torch

from engine.journal import EndReason
from engine.kernels.threads import helped_by
from engine.trainer.batch import Batch
from engine.trainer.events import (
    CheckpointDue,
    Crowded,
    Diverged,
    Evaluated,
    Event,
    Finished,
    Progress,
    Snapshot,
)
from engine.trainer.train import train
from engine.worker.archive import Archive, Written, checkpoint_file, remove_older_rolling
from engine.worker.borrowing import Helpers
from engine.worker.crowding import OUT_OF_MEMORY, crowded, give_back
from engine.worker.pace import BLOCK_SECONDS, Pace
from engine.worker.recorder import Recorder

LEAST_SHARE = 100
"""Rolling checkpoints hold up training for at most one part in so many of the time."""
LOOK_SECONDS = BLOCK_SECONDS
"""Between two looks for a command: blocks end at each of the first evaluations, too."""


@dataclass(slots=True)
class _Block:
    """A block of steps in the making, from a step and a time on."""

    step: int
    at: float
    is_plain: bool = True
    """Whether there was nothing but steps."""

    def until(self, step: int, at: float) -> tuple[int, float]:
        """Steps and seconds."""
        return step - self.step, at - self.at


class Session:
    """One batch in one process. `recorders` shrinks as runs end; empty means that all is told.

    `lent` tells how many idle cores may help. `clock` tells monotonic seconds of this batch alone,
    where others train in turn with it.
    """

    def __init__(
        self,
        batch: Batch,
        recorders: dict[int, Recorder],
        *,
        checkpoint_seconds: float,
        terminated: Callable[[], bool],
        forked: Collection[int] = (),
        lent: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recorders = recorders
        self._batch = batch
        self._forked = forked
        self._archive = Archive()
        self._clock = clock
        self._pace = Pace(batch.step, self._waited, clock)
        self._spreads = batch.spreads and batch.training.idle_cores
        self._lent = lent
        self._helpers = Helpers(helped_by, clock)
        self._block = _Block(batch.step, clock())
        self._checkpoint_seconds = checkpoint_seconds
        self._terminated = terminated
        self._process = psutil.Process()
        self._saved_at = clock()
        self._looked_at = -LOOK_SECONDS
        self._save_seconds = 0.0
        self._saved_step = -1
        self._checkpoint_due = False

    def run(self) -> None:
        """Train until no run is left in the batch."""
        decision = self._batch.decision
        for run, recorder in self.recorders.items():
            recorder.task(self._batch.step, majority=self._batch.majority[run])
            recorder.program(
                self._batch.step,
                compiled=decision.compiled,
                replayed=self._batch.is_replayed,
                spreads=self._spreads,
                reason=decision.reason,
            )
        try:
            for event in train(self._batch, self._pace.block_steps, forked=self._forked):
                self._record(event)
                if isinstance(event, Progress):
                    for run in self._between_blocks(event.step):
                        if len(self._batch.runs) > 1:
                            self._batch.remove(run)
                else:
                    self._block.is_plain = False
                if not self.recorders:
                    return
        finally:
            self._helpers.offer(0)
            self._archive.drain()

    # what the trainer says

    def _record(self, event: Event) -> None:
        match event:
            case Evaluated():
                for run, metrics in event.values.items():
                    self.recorders[run].metrics(event.step, metrics)
            case Snapshot():
                self._store_snapshot(event)
            case CheckpointDue():
                self._checkpoint_due = True
            case Crowded():
                self._make_room(event)
            case Diverged():
                self._archive.drain()
                self._end(event.run, event.step, "diverged", message=event.message)
            case Finished():
                self._finish(event.step)
            case Progress():
                self._pace.progress(event.step)

    def _finish(self, step: int) -> None:
        if self._saved_step != step:
            for run in self.recorders:
                self._save(run, kept=True)
        self._archive.drain()
        for run in list(self.recorders):
            self._end(run, step, "finished")

    def _make_room(self, event: Crowded) -> None:
        """Give runs back to the queue: from here where nothing due is untold, else from before."""
        n_runs, n_left = len(self.recorders), len(self.recorders) - len(event.leaving)
        if event.is_told and self._saved_step != event.step:
            for run in event.leaving:
                self._save(run, kept=False)
        self._archive.drain()
        for run in event.leaving:
            give_back(self.recorders.pop(run), event.step, n_runs=n_runs, n_left=n_left)
        for recorder in self.recorders.values():
            recorder.event(event.step, OUT_OF_MEMORY, crowded(n_runs, n_left))

    def _store_snapshot(self, event: Snapshot) -> None:
        for run, arrays in event.arrays.items():
            recorder = self.recorders[run]
            file = recorder.folder.snapshots / f"{event.kind}-{event.step:09d}.safetensors"

            def tell(written: Written, recorder: Recorder = recorder) -> None:
                name = str(written.file.relative_to(recorder.folder.path))
                recorder.snapshot(event.step, event.kind, name)

            layers = {
                f"layer{number}": heads
                for array in arrays.values()
                for number, heads in enumerate(array)
            }
            self._archive.write(file, layers, patience=recorder.patience, then=tell)

    # between blocks

    def _between_blocks(self, step: int) -> list[int]:
        """Save what is due, say how it goes, obey; returns the runs that have left the batch."""
        if self._block.is_plain:
            self._helpers.trained(*self._block.until(step, self._clock()))
        self._save_due(step)
        if self._pace.second_passed():
            self._tell_figures(step)
        leaving = self._look(step)
        if self._terminated():
            leaving += [run for run in self.recorders if run not in leaving]
            for run in list(self.recorders):
                self._leave(run, step, "stopped", kept=True)
        self._block = _Block(step, self._clock())
        return leaving

    def _save_due(self, step: int) -> None:
        now = self._clock()
        pause = max(self._checkpoint_seconds, LEAST_SHARE * self._save_seconds)
        rolling = now - self._saved_at > pause and self._archive.idle
        if not (self._checkpoint_due or rolling):
            return
        for run in self.recorders:
            self._save(run, kept=self._checkpoint_due)
        self._checkpoint_due = False
        self._saved_step = step
        self._saved_at = self._clock()
        self._save_seconds = self._saved_at - now

    def _save(self, run: int, *, kept: bool) -> None:
        recorder, step = self.recorders[run], self._batch.step
        file = checkpoint_file(recorder.folder.checkpoints, step, kept=kept)

        def tell(written: Written) -> None:
            recorder.checkpoint(
                step,
                file=str(file.relative_to(recorder.folder.path)),
                size=written.size,
                sha256=written.sha256,
                kept=kept,
            )
            if not kept:
                remove_older_rolling(file)

        state = self._batch.state(run)
        self._archive.write(file, state, patience=recorder.patience, then=tell)

    def _tell_figures(self, step: int) -> None:
        rate = self._pace.recent(step)
        rss = self._process.memory_info().rss
        for recorder in self.recorders.values():
            recorder.system(
                step,
                rate=rate,
                train_seconds=self._pace.train_seconds,
                rss_bytes=rss,
                device_bytes=self._device_bytes(),
                threads=self._batch.training.threads + self._helpers.n,
            )

    def _device_bytes(self) -> int:
        if self._batch.device.type == "cuda":
            return torch.cuda.memory_reserved(self._batch.device)
        return 0

    def _look(self, step: int) -> list[int]:
        """Look, now and then, for what the daemon asks and lends."""
        if (now := self._clock()) - self._looked_at < LOOK_SECONDS:
            return []
        self._looked_at = now
        if self._spreads:
            self._helpers.offer(self._lent())
        return self._obey(step)

    def _obey(self, step: int) -> list[int]:
        leaving: list[int] = []
        for run, recorder in list(self.recorders.items()):
            command = recorder.poll()
            if command is None:
                continue
            recorder.acknowledge(step, command)
            if command.verb == "checkpoint":
                self._save(run, kept=True)
                continue
            leaving.append(run)
            if command.verb == "pause":
                recorder.event(step, "paused", {})
                self._leave(run, step, "paused", kept=False)
            else:
                self._leave(run, step, "stopped", kept=True)
        return leaving

    def _leave(self, run: int, step: int, reason: EndReason, *, kept: bool) -> None:
        if self._saved_step != step:
            self._save(run, kept=kept)
        self._archive.drain()
        self._end(run, step, reason)

    def _end(self, run: int, step: int, reason: EndReason, *, message: str = "") -> None:
        self.recorders.pop(run).end(
            step,
            reason,
            message=message,
            train_seconds=self._pace.train_seconds,
            rate=self._pace.overall(step),
        )

    def _waited(self) -> float:
        return max((r.patience.waited_seconds for r in self.recorders.values()), default=0.0)
