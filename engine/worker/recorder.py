"""What one run leaves behind while it trains: its lines, its heartbeat, its end (no torch)."""

import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from platform import python_version
from typing import Any

from engine import journal
from engine.home import RunFolder
from engine.version import VERSION
from engine.worker.control import Command, ControlFile
from engine.worker.lock import RunLock
from engine.worker.patience import JournalWriter, Patience
from engine.worker.scribe import Scribe
from engine.worker.status import StatusFile

MOST_LINES = 4096
"""That may wait before training waits for them: a few evaluations of a thousand runs."""


def new_scribe() -> Scribe:
    """The thread that writes the journals of all runs of a worker."""
    return Scribe(most_pending=MOST_LINES)


class Recorder:
    """The open files of one run and its lock; any thread may tell of lines, one writes them."""

    def __init__(self, folder: RunFolder, lock: RunLock, *, attempt: int, scribe: Scribe) -> None:
        self.folder, self.attempt = folder, attempt
        self._scribe = scribe
        self._run_lock = lock
        self._status = StatusFile(folder.status)
        self.patience = Patience(lambda waiting: self._status.write(waiting=waiting))
        self._status.allocate(self.patience)
        self._journal = JournalWriter(folder.journal(attempt), self.patience)
        self._control = ControlFile(folder.control)
        self._step, self._train_seconds, self._rate = 0, 0.0, 0.0

    @property
    def step(self) -> int:
        """The step last told of."""
        return self._step

    def start(self, *, from_step: int, device: str, threads: int) -> None:
        """The first line, and the first heartbeat."""
        versions = {"python": python_version(), "torch": version("torch"), "lab": VERSION}
        self._tell(
            journal.start_line,
            attempt=self.attempt,
            from_step=from_step,
            pid=os.getpid(),
            device=device,
            threads=threads,
            versions=versions,
        )
        self._step = from_step
        self._status.write(step=from_step, waiting="")

    def task(self, step: int, *, majority: float) -> None:
        """What is known of the run's task once it is built."""
        self._tell(journal.task_line, step, majority=majority)

    def program(
        self, step: int, *, compiled: bool, replayed: bool, spreads: bool, reason: str
    ) -> None:
        """In which way the steps of this attempt are computed, and why compiled or not.

        `spreads` says whether idle cores may be lent: the daemon looks at the heartbeat.
        """
        self._tell(
            journal.program_line,
            step,
            compiled=compiled,
            replayed=replayed,
            spreads=spreads,
            reason=reason,
        )
        self._status.write(spreads=spreads)

    def metrics(self, step: int, values: Mapping[str, Mapping[str, float]]) -> None:
        """One evaluation."""
        self._step = step
        self._tell(journal.metrics_line, step, values)

    def snapshot(self, step: int, kind: str, file: str) -> None:
        """A snapshot file is complete."""
        self._tell(journal.snapshot_line, step, kind, file)

    def checkpoint(self, step: int, *, file: str, size: int, sha256: str, kept: bool) -> None:
        """A checkpoint file is complete."""
        self._tell(journal.checkpoint_line, step, file=file, size=size, sha256=sha256, kept=kept)

    def system(
        self,
        step: int,
        *,
        rate: float,
        train_seconds: float,
        rss_bytes: int,
        device_bytes: int,
        threads: int,
    ) -> None:
        """The second's figures, and the heartbeat."""
        self._step, self._train_seconds, self._rate = step, train_seconds, rate
        self._tell(
            journal.system_line,
            step,
            steps_per_second=rate,
            train_seconds=train_seconds,
            rss_bytes=rss_bytes,
            device_bytes=device_bytes,
            threads=threads,
        )
        self._status.write(
            step=step,
            steps_per_second=round(rate, 3),
            rss_bytes=rss_bytes,
            device_bytes=device_bytes,
        )

    def event(self, step: int, kind: str, payload: Mapping[str, Any]) -> None:
        """Something that a person should see on the curve."""
        self._tell(journal.event_line, step, kind, payload)

    def poll(self) -> Command | None:
        """The command that arrived since the last look."""
        return self._control.poll()

    def acknowledge(self, step: int, command: Command) -> None:
        """Say that a command is being obeyed."""
        self._tell(journal.acknowledgement_line, step, command_id=command.id, command=command.verb)

    def fail(self, message: str, traceback: str) -> None:
        """The last line of a run that an error ended, with the figures last told."""
        self._end(self._step, "failed", message=message, traceback=traceback)

    def give_back(self, step: int, message: str) -> None:
        """The last line of a run that another worker takes over, with the figures last told."""
        self._end(step, "returned", message=message)

    def end(
        self,
        step: int,
        reason: journal.EndReason,
        *,
        message: str,
        train_seconds: float,
        rate: float,
    ) -> None:
        """Write the last line, close everything and let go of the run."""
        self._train_seconds, self._rate = train_seconds, rate
        self._end(step, reason, message=message)

    def _end(
        self, step: int, reason: journal.EndReason, *, message: str, traceback: str = ""
    ) -> None:
        self._tell(
            journal.end_line,
            step,
            reason,
            message=message,
            traceback=traceback,
            train_seconds=self._train_seconds,
            steps_per_second=self._rate,
        )
        self._scribe.drain()
        self._journal.close()
        self._status.write(step=step, ended=reason)
        self._status.close()
        self._run_lock.release()

    def _tell(self, line: Callable[..., bytes], *arguments: Any, **named: Any) -> None:
        """Have a line written; while the disk has no room, nothing goes on without it."""
        self._scribe.put(self._write, line, arguments, named)
        if self.patience.is_waiting:
            self._scribe.drain()

    def _write(
        self, line: Callable[..., bytes], arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> None:
        self._journal.append(line(*arguments, **named))
