"""What may run now: which queued runs start together, and on what.

Pure: the queue and the machine in, batches out. Runs of one launch that have equal shapes and
start at the same step train in one program. On a GPU they form one batch; on the CPU they are
spread over the free slots. The oldest launch goes first.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

MOST_RUNS = 64
"""Runs in one batch at most, so that one process never holds a whole large sweep."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued run, as far as the scheduler cares."""

    run: int
    group: Hashable
    """Equal for runs that may train in one program (launch, shape, first step)."""
    device: str
    """"cpu" or "cuda"."""
    threads: int


@dataclass(frozen=True, slots=True)
class Busy:
    """What a live worker occupies."""

    device: str
    threads: int
    gpu: int | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to be occupied: a slot for each GPU, and CPU cores divided by threads."""

    n_cores: int
    n_gpus: int

    def has_room(self, busy: Sequence[Busy]) -> bool:
        """Whether one more worker of one thread could start."""
        if self.n_gpus:
            return bool(self.free_gpus(busy))
        return self.free_cpu_slots(busy, 1) > 0

    def free_gpus(self, busy: Iterable[Busy]) -> list[int]:
        """The GPUs on which nothing trains."""
        taken = {worker.gpu for worker in busy if worker.device == "cuda"}
        return [gpu for gpu in range(self.n_gpus) if gpu not in taken]

    def free_cpu_slots(self, busy: Iterable[Busy], threads: int) -> int:
        """How many more CPU workers of so many threads fit; one always fits on an idle CPU."""
        used = [worker.threads for worker in busy if worker.device != "cuda"]
        fitting = max(0, self.n_cores - sum(used)) // threads
        return fitting if used else max(1, fitting)


@dataclass(frozen=True, slots=True)
class Start:
    """A batch to start now."""

    runs: tuple[int, ...]
    device: str
    threads: int
    gpu: int | None = None


def plan(queue: Sequence[Waiting], busy: Sequence[Busy], machine: Machine) -> list[Start]:
    """The batches that may start now, given the queue (oldest first) and the live workers."""
    starts: list[Start] = []
    for members in _groups(queue):
        first = members[0]
        occupied = [*busy, *(Busy(start.device, start.threads, start.gpu) for start in starts)]
        runs = [member.run for member in members]
        if first.device == "cuda":
            gpus = machine.free_gpus(occupied)
            starts += [
                Start(tuple(part), "cuda", first.threads, gpu)
                for part, gpu in zip(_cut(runs, MOST_RUNS), gpus, strict=False)
            ]
        else:
            slots = machine.free_cpu_slots(occupied, first.threads)
            parts = _spread(runs[: slots * MOST_RUNS], slots)
            starts += [Start(tuple(part), first.device, first.threads) for part in parts]
    return starts


def _groups(queue: Sequence[Waiting]) -> list[list[Waiting]]:
    groups: dict[Hashable, list[Waiting]] = {}
    for waiting in queue:
        key = (waiting.group, waiting.device, waiting.threads)
        groups.setdefault(key, []).append(waiting)
    return list(groups.values())


def _cut(runs: list[int], size: int) -> list[list[int]]:
    return [runs[start : start + size] for start in range(0, len(runs), size)]


def _spread(runs: list[int], slots: int) -> list[list[int]]:
    """At most `slots` parts whose sizes differ by one at most, in order."""
    n_parts = min(slots, len(runs))
    bounds = [len(runs) * part // n_parts for part in range(n_parts + 1)] if n_parts else [0]
    return [runs[a:b] for a, b in pairwise(bounds)]
