"""What more cores give: to several workers of one thread each, and to one worker with threads."""

from contextlib import ExitStack
from typing import Any

from engine.bench.machine import n_cores, pick
from engine.bench.options import Options, chosen
from engine.bench.progress import say
from engine.bench.training.arms import ENGINE
from engine.bench.training.process import Trainee, together
from engine.bench.training.rounds import Arm, alternate, rounded
from engine.bench.training.settings import SETTINGS

ARM = f"{ENGINE}float32"
MEASURED = ("quick",)
"""The setting that is measured when none is named."""


def cores(options: Options) -> list[dict[str, Any]]:
    """One row for each number of workers and of threads; all of them take turns.

    On a CUDA device the workers share it, and threads of the processor are not measured.
    """
    names = chosen(options.settings or MEASURED, list(SETTINGS), what="setting")
    return [row for name in names for row in _setting(name, options)]


def _setting(name: str, options: Options) -> list[dict[str, Any]]:
    device, counts = pick(options.device), doubling(n_cores())
    arms: dict[tuple[int, int], Arm] = {}
    with ExitStack() as stack:

        def hire(threads: int) -> Trainee:
            trainee = Trainee(name, device=device, threads=threads)
            stack.callback(trainee.close)
            return trainee

        workers = [hire(1) for _ in range(counts[-1])]
        for n_workers in counts:
            arms[n_workers, 1] = together(workers[:n_workers], ARM)
        for threads in counts[1:] if device.type == "cpu" else ():
            arms[1, threads] = together([hire(threads)], ARM)
        say(f"cores: {name}, {len(arms)} ways, {options.rounds} rounds")
        named = {f"{n_workers} {threads}": arm for (n_workers, threads), arm in arms.items()}
        rates = alternate(named, seconds=options.seconds, rounds=options.rounds)
    one = rates["1 1"]
    return [
        {
            "setting": name,
            "workers": n_workers,
            "threads": threads,
            "run_steps_per_second": rounded(n_workers * own.per_second),
            "spread": round(own.spread, 3),
            "run_steps_per_cpu_second": rounded(n_workers * own.per_cpu_second),
            "times_one": rounded(n_workers * own.times(one)),
            "rounds": len(own.wall),
        }
        for (n_workers, threads), own in zip(arms, rates.values(), strict=True)
    ]


def doubling(most: int) -> list[int]:
    """1, 2, 4 … and the largest number itself."""
    return sorted({most, *(2**k for k in range(most.bit_length()))})
