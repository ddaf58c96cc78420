"""Which of the idle cores that the daemon lends a batch help it: all of them, or none.

A thread that waits for another, whose core some other program has, may be slower than one thread
alone. The numbers are the same either way, so the batch tries both, and keeps to the faster.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from engine.worker.control import stamp_of

WINDOW_SECONDS = 0.4
"""What a rate is taken over."""
GAIN = 1.05
"""How many times as fast helpers must make it."""
DROP = 0.75
"""Of the rate that was seen with helpers: less in two windows in a row is no accident, and it is
tried without."""
LEAST_PAUSE, MOST_PAUSE = 0.5, 32.0
"""Seconds until helpers that were of no use are tried again: twice as many each time."""


class Helpers:
    """How many threads help: all that are offered, unless they are seen to be of no use.

    `use` is told of each change. `clock` tells seconds.
    """

    def __init__(
        self, use: Callable[[int], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._use, self._clock = use, clock
        self._offered = self._n = 0
        self._window = _Window()
        self._alone = self._helped = 0.0
        """Steps per second, as last seen; 0 where that is not known."""
        self._has_dropped = False
        self._pause, self._tried_at = LEAST_PAUSE, 0.0

    @property
    def n(self) -> int:
        """How many help now."""
        return self._n

    def offer(self, n: int) -> None:
        """So many threads may help from now on."""
        if n != self._offered:
            self._offered = n
            self._alone = self._helped = 0.0
            self._pause = LEAST_PAUSE
            self._take(n)

    def trained(self, steps: int, seconds: float) -> None:
        """A block of nothing but so many steps took so many seconds."""
        if not self._offered or not self._window.add(steps, seconds):
            return
        rate, self._window = self._window.rate, _Window(skip=0)
        if self._n:
            self._seen_helped(rate)
        else:
            self._seen_alone(rate)

    def _seen_helped(self, rate: float) -> None:
        is_new, dropped = not self._helped, rate < DROP * self._helped
        fell, self._has_dropped = dropped and self._has_dropped, dropped
        self._helped = rate if is_new or fell else max(rate, self._helped)
        if is_new and self._alone:
            self._decide()
        elif is_new or fell:
            self._alone = 0.0
            self._take(0)

    def _seen_alone(self, rate: float) -> None:
        is_new, self._alone = not self._alone, rate
        if is_new:
            self._decide()
        elif self._clock() - self._tried_at > self._pause:
            self._pause = min(2 * self._pause, MOST_PAUSE)
            self._helped = 0.0
            self._take(self._offered)

    def _decide(self) -> None:
        """Both rates are known."""
        helps = self._helped > GAIN * self._alone
        self._tried_at = self._clock()
        if helps:
            self._pause = LEAST_PAUSE
        self._take(self._offered if helps else 0)

    def _take(self, n: int) -> None:
        if n != self._n:
            self._n, self._window, self._has_dropped = n, _Window(), False
            self._use(n)


class _Window:
    """Blocks of steps up to `WINDOW_SECONDS`; the first after a change makes room."""

    def __init__(self, skip: int = 1) -> None:
        self._skip = skip
        self._steps, self._seconds = 0, 0.0

    def add(self, steps: int, seconds: float) -> bool:
        """Take in a block; whether there are enough."""
        if self._skip:
            self._skip -= 1
            return False
        self._steps, self._seconds = self._steps + steps, self._seconds + seconds
        return self._seconds >= WINDOW_SECONDS

    @property
    def rate(self) -> float:
        """Steps per second."""
        return self._steps / self._seconds


class Lent:
    """How many cores the daemon lends this process; a look costs one `stat`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._n = 0

    def look(self) -> int:
        """The number as of now."""
        stamp = stamp_of(self._path)
        if stamp is None:
            return 0
        if stamp != self._seen:
            self._seen, self._n = stamp, read_lent(self._path).get(os.getpid(), 0)
        return self._n


def read_lent(path: Path) -> dict[int, int]:
    """Process → cores that it is lent; nobody is lent any where that cannot be read."""
    try:
        content = json.loads(path.read_bytes())
        return {int(pid): int(n) for pid, n in content.items()}
    except (OSError, ValueError, AttributeError):
        return {}
