"""How things are measured side by side: in turns within one run, so that all see one machine.

A machine that other work disturbs slows all arms of a round alike. So ratios are taken within a
round and their median over rounds is told; rates of the clock stand beside those of the
processor, which does not count waiting for others.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

CALIBRATION_SECONDS = 0.3
LONG = 2.0
"""Rounds become fewer where one takes more than so many times the time it was given."""


Train = Callable[[int], float | None]
"""Steps → processor seconds that other processes spent on them, where others did the work."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the things that take turns."""

    train: Train
    """Does so many steps, and returns when they are done."""
    period: int = 1
    """Steps are counted out in multiples of this."""
    share: float = 1.0
    """Of the seconds of a round, how many it takes."""
    warm: bool = False
    """Whether it has run before: the first steps compile, capture and allocate."""


@dataclass(slots=True)
class Rates:
    """What one arm did: steps per second of the clock and of the processor, by round."""

    n_steps: int
    """Steps of each round."""
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Steps per second of the clock, the median of the rounds."""
        return median(self.wall)

    @property
    def per_cpu_second(self) -> float:
        """Steps per second of processor time, the median of the rounds."""
        return median(self.cpu)

    @property
    def spread(self) -> float:
        """How far the slowest round lies from the fastest, as a share of the median."""
        return (max(self.wall) - min(self.wall)) / self.per_second

    def times(self, other: "Rates") -> float:
        """How many times as fast as another arm: the median of the rounds' ratios."""
        return median(a / b for a, b in zip(self.wall, other.wall, strict=True))

    def times_by_cpu(self, other: "Rates") -> float:
        """The same in processor time."""
        return median(a / b for a, b in zip(self.cpu, other.cpu, strict=True))


def alternate(arms: Mapping[str, Arm], *, seconds: float, rounds: int) -> dict[str, Rates]:
    """Let the arms take turns, A B C A B C …, and return what each of them did.

    Each is first run to find how many steps fill its share of a round. Where single steps take
    longer than that, rounds are fewer, but at least one.
    """
    rates: dict[str, Rates] = {}
    expected = 0.0
    for name, arm in arms.items():
        step_seconds = _step_seconds(arm, longest=seconds * arm.share)
        periods = max(1, math.ceil(seconds * arm.share / (step_seconds * arm.period)))
        rates[name] = Rates(periods * arm.period)
        expected += rates[name].n_steps * step_seconds
    given = seconds * sum(arm.share for arm in arms.values())
    fitting = max(1, int(LONG * rounds * given / expected))
    for _ in range(min(rounds, fitting)):
        for name, arm in arms.items():
            wall, cpu = timed(arm.train, rates[name].n_steps)
            rates[name].wall.append(rates[name].n_steps / wall)
            rates[name].cpu.append(rates[name].n_steps / max(cpu, 1e-9))
    return rates


def timed(train: Train, n_steps: int) -> tuple[float, float]:
    """Seconds of the clock and of the processor that the steps take."""
    wall, cpu = time.perf_counter(), time.process_time()
    elsewhere = train(n_steps) or 0.0
    return time.perf_counter() - wall, time.process_time() - cpu + elsewhere


def _step_seconds(arm: Arm, *, longest: float) -> float:
    """Seconds of a step of the arm once it is warm."""
    n_steps = arm.period
    if not arm.warm:
        arm.train(n_steps)
    while True:
        taken, _ = timed(arm.train, n_steps)
        if taken >= min(CALIBRATION_SECONDS, longest):
            return taken / n_steps
        n_steps *= 2


def rounded(number: float) -> float:
    """Four digits, which is more than any of this repeats to."""
    return float(f"{number:.4g}")
