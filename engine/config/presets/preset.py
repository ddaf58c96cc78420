"""What a prepared experiment is, and what it is expected to show (no torch)."""

from data.settings import Settings
from engine.config.run import RunConfig


class Expectation(Settings):
    """What a preset shows with each of its first seeds; a test holds it to that.

    Steps are those of the onset detector: train accuracy ≥ 0.99 and test accuracy ≥ 0.95, each
    for three evaluations in a row.
    """

    sentence: str
    """For people."""
    memorises_within: int | None = None
    """Steps until train accuracy is up."""
    groks_within: int | None = None
    """Steps until accuracy on the first test split is up; None: not in the budget."""
    ood_groks_within: int | None = None
    """Steps until accuracy out of distribution is up; None: nothing is promised."""
    least_delay: float = 0.0
    """Least grokked step, in multiples of the memorised step."""
    most_delay: float | None = None
    """Most grokked step, in multiples of the memorised step."""
    seeds: int = 1
    """How many seeds, from 0 on, were seen to do so; 0: nothing is promised, only told."""

    def broken_by(
        self, *, memorised: int | None, grokked: int | None, ood_grokked: int | None = None
    ) -> list[str]:
        """What a run did otherwise, given its markers' steps; nothing when it did as expected."""
        if self.ood_groks_within and not (ood_grokked and ood_grokked <= self.ood_groks_within):
            return [f"grokked OOD at {ood_grokked}, expected within {self.ood_groks_within}"]
        if memorised is None or memorised > (self.memorises_within or memorised):
            return [f"memorised at {memorised}, expected within {self.memorises_within}"]
        if grokked is None or self.groks_within is None:
            as_expected = grokked is None and self.groks_within is None
            return [] if as_expected else [f"grokked at {grokked}, expected {self.groks_within}"]
        broken: list[str] = []
        if grokked > self.groks_within:
            broken.append(f"grokked at {grokked}, expected within {self.groks_within}")
        delay = grokked / memorised
        if delay < self.least_delay:
            broken.append(f"delay {delay:.1f} times, expected at least {self.least_delay:g}")
        if self.most_delay is not None and delay > self.most_delay:
            broken.append(f"delay {delay:.1f} times, expected at most {self.most_delay:g}")
        return broken

    def __str__(self) -> str:
        return self.sentence


class Preset(Settings):
    """A prepared experiment."""

    name: str
    title: str
    description: str
    group: str = ""
    """Under which heading it is offered; empty: at the top."""
    expectation: Expectation
    config: RunConfig
