"""After which steps a run is evaluated, photographed and saved (pure Python).

Steps are log-spaced while that is denser than a set interval, and multiples of the interval from
then on. They depend on nothing but these numbers, so a resumed run measures at the same steps.
"""

import math
from dataclasses import dataclass

EVALUATIONS_PER_DECADE = 40
SNAPSHOTS_PER_DECADE = 8
CHECKPOINTS_PER_DECADE = 4
FIRST_CHECKPOINT = 100
EVALUATIONS_PER_SNAPSHOT = 2
"""A snapshot is at most so many of the longest evaluation intervals from the next …"""
SNAPSHOTS_PER_BUDGET = 200
"""… unless that made more than about so many of them."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """When to measure in a budget of `last` steps; each method returns the next step after one."""

    last: int
    eval_every: int

    def evaluation(self, step: int) -> int:
        """Steps 1 to 10, then 40 a decade, at most `eval_every` apart; and the last step."""
        following = _following(step, per_decade=EVALUATIONS_PER_DECADE, every=self.eval_every)
        return min(following, self.last)

    def snapshot(self, step: int) -> int:
        """Eight a decade, and rarer than evaluations when these are no longer log-spaced."""
        every = max(
            EVALUATIONS_PER_SNAPSHOT * self.eval_every, -(-self.last // SNAPSHOTS_PER_BUDGET)
        )
        return min(_following(step, per_decade=SNAPSHOTS_PER_DECADE, every=every), self.last)

    def checkpoint(self, step: int) -> int:
        """From step 100 on four a decade (100, 178, 316, 562, 1000 …); the last step."""
        start = max(step, FIRST_CHECKPOINT - 1)
        return min(_log_following(start, per_decade=CHECKPOINTS_PER_DECADE), self.last)

    def following(self, step: int) -> int:
        """The next step at which anything is due."""
        return min(self.evaluation(step), self.snapshot(step), self.checkpoint(step))


def _following(step: int, *, per_decade: int, every: int) -> int:
    multiple = (step // every + 1) * every
    return (
        min(multiple, _log_following(step, per_decade=per_decade))
        if _is_early(step, per_decade=per_decade, every=every)
        else multiple
    )


def _is_early(step: int, *, per_decade: int, every: int) -> bool:
    """Whether log-spaced steps are still closer together than `every`."""
    return step * (10 ** (1 / per_decade) - 1) < every


def _log_following(step: int, *, per_decade: int) -> int:
    """The smallest round(10^(k / per_decade)) after `step`; k counts from 0."""
    k = max(math.floor(math.log10(max(step, 1)) * per_decade) - 1, 0)
    while round(10 ** (k / per_decade)) <= step:
        k += 1
    return round(10 ** (k / per_decade))
