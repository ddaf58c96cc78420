"""Whether a run's step is compiled: a decision that a curve may depend on, so a fixed one.

It is made from the configuration, the kind of device and whether the machine can compile at all;
never from what has been compiled already, from batch mates or from a measured rate. So a run's
numbers are the same warm or cold. Figures and reasons: docs/decisions/0014. No torch here.
"""

from dataclasses import dataclass

from data import task_sizes
from engine.config.run import RunConfig


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a kind of device is taken to train, uncompiled: a rule of thumb, not a promise."""

    seconds_per_step: float
    """What a step of no arithmetic costs."""
    flops_per_second: float
    least_seconds: float
    """A budget that takes this long or longer is compiled."""

    def seconds(self, steps: int, flops_per_step: int) -> float:
        """How long a budget of steps takes."""
        return steps * (self.seconds_per_step + flops_per_step / self.flops_per_second)


RATES = {
    "cpu": Rate(seconds_per_step=4e-3, flops_per_second=5e10, least_seconds=600.0),
    # not measured: an order of magnitude under what one H200 is known to reach
    "cuda": Rate(seconds_per_step=5e-4, flops_per_second=2e13, least_seconds=600.0),
}
"""By kind of device; others do not compile by themselves."""


def pays(config: RunConfig, device: str) -> bool:
    """Whether the budget is long enough to win back the seconds of a compiler.

    It is where `steps · (s + F / r)` seconds reach `least_seconds`, with F the operations of an
    update's matrix products and s, r, `least_seconds` of `RATES`.
    """
    rate = RATES.get(device)
    if rate is None:
        return False
    sizes = task_sizes(config.task)
    batch = min(config.training.batch_size or sizes.train, sizes.train)
    flops = config.model.flops_per_example(sizes.vocabulary, sizes.length, sizes.n_read) * batch
    return rate.seconds(config.training.steps, flops) >= rate.least_seconds


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a step is compiled, and why in a few words."""

    compiled: bool
    reason: str


def decide(
    config: RunConfig, device: str, *, network_compiles: bool = True, has_compiler: bool = True
) -> Decision:
    """What `training.compile` means on a device, for a network that compiles or does not."""
    match config.training.compile:
        case "always":
            return Decision(True, "training.compile is always")
        case "never":
            return Decision(False, "training.compile is never")
        case "auto":
            if not network_compiles:
                return Decision(False, "this network has faster ways of its own")
            if not pays(config, device):
                return Decision(False, "the budget is short")
            if not has_compiler:
                return Decision(False, "no C++ compiler was found")
            return Decision(True, "the budget is long")
