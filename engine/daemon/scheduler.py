"""What may run now: which queued runs start together, on what, and why the others wait.

Pure: the queue, the machine and its free memory in, batches and reasons out. Runs of equal shape
that start at the same step train in one program, whoever launched them. On a GPU they form one
batch, as large as its memory allows, and batches of several shapes share a device. On the CPU they
are spread over all its slots: those that are taken now get their share when they become free, so
that no core is idle while another has a long batch before it. The oldest run goes first.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from engine.daemon.footprint import Footprint, host_bytes_beside
from engine.daemon.memory import Room

MOST_RUNS = 64
"""Runs in one batch on the CPU, where a larger one is no faster and its first run later to end;
also on a GPU that does not tell how much memory it has."""
LEAST_RUNS = 4
"""Fewer are not worth a worker's start, while others of their kind wait."""
MOST_RUNS_ON_GPU = 1024
"""Past this a batch gains nothing more, and the worker's own work for each run is felt."""
MOST_WORKERS_ON_GPU = 4
"""Batches that share one GPU: they take turns, and each costs a CUDA context."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued run, as far as the scheduler cares."""

    run: int
    group: Hashable
    """Equal for runs that may train in one program (shape, first step)."""
    device: str
    """"cpu" or "cuda"."""
    threads: int
    footprint: Footprint
    most: int | None = None
    """The most runs of the group in one batch, where that has been learnt."""


@dataclass(frozen=True, slots=True)
class Busy:
    """What a live worker occupies."""

    device: str
    threads: int
    gpu: int | None = None
    to_come: int = 0
    """Bytes that it is expected to take of its device's memory beyond what it holds."""
    host_to_come: int = 0
    """The same of the machine's memory, where that is another."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to be occupied: GPUs, and CPU cores divided by threads."""

    n_cores: int
    n_gpus: int
    has_mps: bool = False
    """Whether there is Apple's GPU; its runs are counted among those of the CPU."""

    def has_room(self, busy: Sequence[Busy]) -> bool:
        """Whether one more worker of one thread could start."""
        if self.n_gpus:
            return bool(self.free_gpus(busy))
        return self.free_cpu_slots(busy, 1) > 0

    def free_gpus(self, busy: Iterable[Busy]) -> list[int]:
        """The GPUs that may take one more batch, the least busy first."""
        n_workers = dict.fromkeys(range(self.n_gpus), 0)
        for worker in busy:
            if worker.device == "cuda" and worker.gpu in n_workers:
                n_workers[worker.gpu] += 1
        free = [gpu for gpu, n in n_workers.items() if n < MOST_WORKERS_ON_GPU]
        return sorted(free, key=lambda gpu: n_workers[gpu])

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
    n_bytes: int = 0
    """What it is expected to take of its device's memory."""


@dataclass(slots=True)
class Plan:
    """The batches that start now, and why some of the other runs do not."""

    starts: list[Start] = field(default_factory=list[Start])
    waits: dict[int, str] = field(default_factory=dict[int, str])
    """Reasons in words, by run, where memory is what is missing."""


def plan(queue: Sequence[Waiting], busy: Sequence[Busy], machine: Machine, room: Room) -> Plan:
    """What may start now, given the queue (oldest first), the live workers and free memory."""
    planning = _Planning(list(busy), machine, room)
    for members in _groups(queue):
        planning.take(members)
    return planning.plan


class _Planning:
    """A plan in the making: what it has given away counts as busy."""

    def __init__(self, busy: list[Busy], machine: Machine, room: Room) -> None:
        self.plan = Plan()
        self._busy, self._machine, self._room = busy, machine, room
        self._held_back: set[str] = set()
        """Devices whose memory an older run waits for: younger ones must not take it."""

    def take(self, members: list[Waiting]) -> None:
        """Start what can be started of a group, and say of the others whether memory is short."""
        largest = max(members, key=lambda each: each.footprint.total(1, each.device))
        if largest.device in self._held_back:
            return
        rest = (
            self._on_gpus(members, largest)
            if largest.device == "cuda"
            else self._on_cpu(members, largest)
        )
        if rest:
            busy = any(worker.device == largest.device for worker in self._busy)
            words = self._words(largest, busy=busy)
            self.plan.waits |= {each.run: words for each in rest}
            if busy and self._could_fit(largest):
                self._held_back.add(largest.device)

    def _on_gpus(self, members: list[Waiting], largest: Waiting) -> list[Waiting]:
        """Start batches on GPUs; returns the members that are left for want of memory."""
        rest = members
        while rest and (gpus := self._machine.free_gpus(self._busy)):
            fits = {gpu: self._fitting(largest, gpu) for gpu in gpus}
            gpu = next((gpu for gpu in gpus if fits[gpu]), None)
            if gpu is None:
                return rest
            self._start(rest[: fits[gpu]], largest, gpu)
            rest = rest[fits[gpu] :]
        return []

    def _on_cpu(self, members: list[Waiting], largest: Waiting) -> list[Waiting]:
        """Spread the members over free slots; returns those that are left for want of memory."""
        slots = self._machine.free_cpu_slots(self._busy, largest.threads)
        every = max(self._machine.free_cpu_slots((), largest.threads), slots)
        share = max(-(-len(members) // every), LEAST_RUNS)
        most = min(largest.most or MOST_RUNS, MOST_RUNS, share)
        left: list[Waiting] = []
        for part in _spread(members[: slots * most], slots):
            n = min(len(part), self._fitting(largest, None))
            if n:
                self._start(part[:n], largest, None)
            left += part[n:]
        return left

    def _start(self, batch: list[Waiting], largest: Waiting, gpu: int | None) -> None:
        device, threads = largest.device, largest.threads
        n_bytes = largest.footprint.total(len(batch), device)
        runs = tuple(each.run for each in batch)
        self.plan.starts.append(Start(runs, device, threads, gpu, n_bytes))
        self._busy.append(Busy(device, threads, gpu, n_bytes, host_bytes_beside(device)))

    def _fitting(self, waiting: Waiting, gpu: int | None) -> int:
        """How many runs like this fit in a GPU's memory, or in the machine's."""
        host, footprint = self._host_free(), waiting.footprint
        if gpu is None:
            return min(footprint.fitting(host, waiting.device), waiting.most or MOST_RUNS)
        if host < host_bytes_beside(waiting.device):
            return 0
        free = self._gpu_free(gpu)
        if free is None:
            taken = any(worker.gpu == gpu for worker in self._busy)
            return 0 if taken else min(waiting.most or MOST_RUNS, MOST_RUNS)
        fits = footprint.fitting(free, waiting.device)
        return min(fits, waiting.most or MOST_RUNS_ON_GPU, MOST_RUNS_ON_GPU)

    def _host_free(self) -> int:
        on_cpu = sum(worker.to_come for worker in self._busy if worker.device != "cuda")
        beside = sum(worker.host_to_come for worker in self._busy)
        return self._room.host.usable - on_cpu - beside

    def _gpu_free(self, gpu: int) -> int | None:
        memory = self._room.gpus[gpu] if gpu < len(self._room.gpus) else None
        if memory is None:
            return None
        return memory.usable - sum(worker.to_come for worker in self._busy if worker.gpu == gpu)

    def _could_fit(self, waiting: Waiting) -> bool:
        """Whether it would, were nothing else there: then an end of our own work may help."""
        on_cpu = waiting.device != "cuda"
        memories = [self._room.host] if on_cpu else [each for each in self._room.gpus if each]
        need = waiting.footprint.total(1, waiting.device)
        return any(need <= memory.most for memory in memories)

    def _words(self, waiting: Waiting, *, busy: bool) -> str:
        need = waiting.footprint.total(1, waiting.device)
        free, place = self._host_free(), "this machine"
        if waiting.device == "cuda" and free >= host_bytes_beside("cuda"):
            gpus = (self._gpu_free(gpu) for gpu in range(self._machine.n_gpus))
            free, place = max((each for each in gpus if each is not None), default=0), "a GPU"
        words = f"waits for memory: it needs about {_size(need)}, {place} has {_size(free)} free"
        if busy:
            return words
        return f"{words}; lower training.batch_size or raise training.accumulate"


def _size(n_bytes: int) -> str:
    return f"{max(n_bytes, 0) / 1e9:.1f} GB"


def _groups(queue: Sequence[Waiting]) -> list[list[Waiting]]:
    groups: dict[Hashable, list[Waiting]] = {}
    for waiting in queue:
        key = (waiting.group, waiting.device, waiting.threads)
        groups.setdefault(key, []).append(waiting)
    return list(groups.values())


def _spread(members: list[Waiting], slots: int) -> list[list[Waiting]]:
    """At most `slots` parts whose sizes differ by one at most, in order."""
    n_parts = min(slots, len(members))
    bounds = [len(members) * part // n_parts for part in range(n_parts + 1)] if n_parts else [0]
    return [members[a:b] for a, b in pairwise(bounds)]
