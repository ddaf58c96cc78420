"""Threads that do parts of one thing together, and stay awake for the next one.

A step of a small network is shared a dozen times within some milliseconds. To wake up a thread
that sleeps takes 0.06 ms, longer than some of its parts. So whoever has nothing to do watches a
number in memory for a while first, and gives way to others who want its core: without that, two
programs of two threads on two cores took 30 % longer. What is watched is a hint alone: work and
answers go through queues.
"""

import os
from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from threading import Lock, Thread

import numpy as np

from engine.kernels.watching import watch

LOOKS = 10_000
"""How often a thread looks before it sleeps: a quarter to half a millisecond."""

_APART = 16
"""Numbers from one thread's to the next one's: what one writes must not lie in another's line."""


class Team:
    """A thread that calls, and some others."""

    def __init__(self, n: int) -> None:
        self._others = range(1, n)
        self._parts: list[SimpleQueue[Callable[[int], None]]] = [SimpleQueue() for _ in range(n)]
        self._ends: list[SimpleQueue[BaseException | None]] = [SimpleQueue() for _ in range(n)]
        self._n_parts = np.zeros(n * _APART, np.int64)
        self._n_ends = np.zeros(n * _APART, np.int64)
        # threads that watch would only be in each other's way
        self._looks = LOOKS if n <= (os.cpu_count() or 1) else 0
        self._busy = Lock()
        for thread in self._others:
            name = f"loops {thread}"
            Thread(target=self._serve, args=(thread,), name=name, daemon=True).start()

    def do(self, part: Callable[[int], None]) -> None:
        """Call `part` for each thread, the calling one as the first: it need not be woken up.

        What one raises is raised when all are done. Where another caller has the team, or `part`
        itself calls, the calling thread does all.
        """
        if not self._busy.acquire(blocking=False):
            for thread in (0, *self._others):
                part(thread)
            return
        try:
            for thread in self._others:
                self._parts[thread].put(part)
                self._n_parts[thread * _APART] += 1
            self._do_own(part)
        finally:
            self._busy.release()

    def _do_own(self, part: Callable[[int], None]) -> None:
        errors: list[BaseException | None] = []
        try:
            part(0)
        finally:
            for thread in self._others:
                at = thread * _APART
                watch(self._n_ends, at, self._n_parts[at] - 1, self._looks)
                errors.append(self._ends[thread].get())
        for each in errors:
            if each is not None:
                raise each

    def _serve(self, thread: int) -> None:
        at, n_done = thread * _APART, 0
        while True:
            watch(self._n_parts, at, n_done, self._looks)
            part, error = self._parts[thread].get(), None
            try:
                part(thread)
            except BaseException as raised:  # noqa: BLE001 - the caller's to raise
                error = raised
            n_done += 1
            self._ends[thread].put(error)
            self._n_ends[at] = n_done
            del part, error


@cache
def team_of(n: int) -> Team:
    """The process's team of so many."""
    return Team(n)
