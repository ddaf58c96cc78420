"""How fast a batch trains, what is due by the clock, and how long a block of steps may be."""

import time
from collections.abc import Callable

BLOCK_SECONDS = 0.2
"""A command waits for the end of a block; a shorter block would look at the clock too often."""
MOST_STEPS = 10_000


class Pace:
    """Steps and seconds of training; rates leave out the first block and what waited for the disk.

    The first block holds compilation. Times are monotonic seconds; `waited` says how
    many of them went by waiting for the disk.
    """

    def __init__(
        self,
        step: int,
        waited: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waited, self._clock = waited, clock
        self._began = self._now()
        self._first: tuple[int, float] | None = None
        self._mark = self._block = (step, self._began)
        self._start_step = step
        self._block_steps = 1

    def progress(self, step: int) -> None:
        """A block of steps has ended."""
        now = self._now()
        steps, seconds = step - self._block[0], now - self._block[1]
        if self._first is None:
            self._first = self._mark = (step, now)
        elif steps and seconds > 0:
            fitting = int(BLOCK_SECONDS * steps / seconds)
            self._block_steps = max(1, min(fitting, 2 * self._block_steps, MOST_STEPS))
        self._block = (step, now)

    def block_steps(self) -> int:
        """The most updates until the next look at the clock; grows from 1."""
        return self._block_steps

    def second_passed(self) -> bool:
        """Whether a second of training went by since the last `recent`."""
        return self._now() - self._mark[1] >= 1.0

    def recent(self, step: int) -> float:
        """Steps per second since the last call."""
        now = self._now()
        steps, seconds = step - self._mark[0], now - self._mark[1]
        self._mark = (step, now)
        return steps / seconds if seconds > 0 else 0.0

    def overall(self, step: int) -> float:
        """Steps per second of the attempt."""
        since_step, since = self._first or (self._start_step, self._began)
        if step == since_step:
            since_step, since = self._start_step, self._began
        seconds = self._now() - since
        return (step - since_step) / seconds if seconds > 0 else 0.0

    @property
    def train_seconds(self) -> float:
        """Seconds since training began, compilation among them, waiting for the disk left out."""
        return self._now() - self._began

    def _now(self) -> float:
        return self._clock() - self._waited()
