"""When did a run memorise, recall its facts, begin to generalise, grok, and did it collapse?

Works on raw values at every evaluation, never on smoothed or downsampled curves. A crossing counts
when it lasts `sustained` consecutive evaluations, and is dated to the first of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from engine.measures.onset.thresholds import Thresholds

NAME = "onset/2"
"""Detector and version, as events carry it; a rule that changes gets a new version."""

Kind = Literal["memorised", "recalled", "onset", "grokked", "collapsed"]

_TRAIN = "train"
_MAD_TO_SD = 1.4826
"""Standard deviation of normal noise in units of its median absolute deviation."""
_REESTIMATE = 1.05
"""The plateau is measured again whenever it has grown by 5 %."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A dated turn of a run's curves."""

    kind: Kind
    step: int
    split: str
    value: float
    """grokked: delay in steps since memorised; otherwise the accuracy at `step`."""
    why: tuple[tuple[str, float], ...] = ()
    """Figures behind it, by name: the plateau's level and noise, the line that was crossed."""


def detect(
    steps: Sequence[int],
    train_accuracy: Sequence[float | None],
    test_accuracy: Mapping[str, Sequence[float | None]],
    *,
    probe_accuracy: Mapping[str, Sequence[float | None]] | None = None,
    chance: float = 0.0,
    thresholds: Thresholds | None = None,
) -> list[Marker]:
    """Every marker of a recorded run, by step.

    `test_accuracy` maps each test split to its curve, `probe_accuracy` each probe of facts that
    are trained on; None where a split was not evaluated.
    """
    detector = OnsetDetector(chance=chance, thresholds=thresholds)
    for i, step in enumerate(steps):
        tests = {split: curve[i] for split, curve in test_accuracy.items()}
        probes = {split: curve[i] for split, curve in (probe_accuracy or {}).items()}
        detector.feed(step, train_accuracy[i], tests, probes)
    return detector.markers()


class OnsetDetector:
    """The fold behind `detect`: fed one evaluation at a time, in order of steps."""

    def __init__(self, *, chance: float = 0.0, thresholds: Thresholds | None = None) -> None:
        self._chance = chance
        self._lines = thresholds or Thresholds()
        self._memorised: Marker | None = None
        self._candidate: list[tuple[int, float, Mapping[str, float | None]]] = []
        self._splits: dict[str, _TestSplit] = {}
        self._probes: dict[str, _Probe] = {}

    def feed(
        self,
        step: int,
        train: float | None,
        tests: Mapping[str, float | None],
        probes: Mapping[str, float | None] | None = None,
    ) -> None:
        """Take in one evaluation; None or a missing split was not evaluated.

        `tests` are held out and can be grokked; `probes` are trained on and can be recalled, which
        waits for nothing else.
        """
        for name, value in (probes or {}).items():
            if value is not None:
                self._probes.setdefault(name, _Probe(name, self._lines)).feed(step, value)
        if self._memorised is not None:
            self._feed_tests(step, tests)
        elif train is not None:
            if train < self._lines.train:
                self._candidate.clear()
                return
            self._candidate.append((step, train, dict(tests)))
            if len(self._candidate) == self._lines.sustained:
                first_step, first_train, _ = self._candidate[0]
                self._memorised = Marker("memorised", first_step, _TRAIN, first_train)
                for earlier, _, values in self._candidate:
                    self._feed_tests(earlier, values)
                self._candidate.clear()

    def markers(self) -> list[Marker]:
        """The markers that hold after what was fed so far; later ones may withdraw an onset."""
        found = [self._memorised] if self._memorised else []
        found += [probe.recalled for probe in self._probes.values() if probe.recalled]
        for split in self._splits.values():
            found += [m for m in (split.onset, split.grokked, split.collapsed) if m]
        return sorted(found, key=lambda marker: marker.step)

    def _feed_tests(self, step: int, tests: Mapping[str, float | None]) -> None:
        assert self._memorised is not None
        for name, value in tests.items():
            if value is None:
                continue
            if name not in self._splits:
                since = self._memorised.step
                self._splits[name] = _TestSplit(name, since, self._chance, self._lines)
            self._splits[name].feed(step, value)


@dataclass(slots=True)
class _Probe:
    """Facts that are trained on, asked for by themselves."""

    name: str
    lines: Thresholds
    recalled: Marker | None = None
    above: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])

    def feed(self, step: int, value: float) -> None:
        if self.recalled is not None:
            return
        if value < self.lines.train:
            self.above.clear()
            return
        self.above.append((step, value))
        if len(self.above) == self.lines.sustained:
            self.recalled = Marker("recalled", self.above[0][0], self.name, self.above[0][1])


@dataclass(slots=True)
class _TestSplit:
    """One test split of a run that has memorised."""

    name: str
    memorised: int
    chance: float
    lines: Thresholds
    onset: Marker | None = None
    grokked: Marker | None = None
    collapsed: Marker | None = None
    crossing: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    above: list[int] = field(default_factory=list[int])
    below: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    rise: "_Rise | None" = None
    plateau: "_Plateau" = field(init=False)

    def __post_init__(self) -> None:
        self.plateau = _Plateau(self.lines, self.chance)

    def feed(self, step: int, value: float) -> None:
        if self.grokked is not None:
            self._watch_for_collapse(step, value)
            return
        if self.rise is None:
            self._watch_for_onset(step, value)
        elif self.rise.falls_back(value):
            self.plateau = _Plateau(self.lines, self.chance, self.rise.fallen)
            self.rise = self.onset = None
        self._watch_for_grokking(step, value)

    def _watch_for_onset(self, step: int, value: float) -> None:
        """Date the onset.

        Onset is the first of `sustained` consecutive evaluations that lie above the plateau (the
        median of test accuracy since memorised, at least chance) by `rise` and by `noise` times
        the plateau's noise (its MAD); a rise that falls back by more than `fall`, or to the
        plateau, before it reaches `test` is withdrawn, and the plateau starts anew there.
        """
        line = self.plateau.line()
        if line is None or value <= line:
            self.plateau.add(v for _, v in self.crossing)
            self.plateau.add((value,))
            self.crossing.clear()
            return
        self.crossing.append((step, value))
        if len(self.crossing) == self.lines.sustained:
            first_step, first_value = self.crossing[0]
            why = (
                ("plateau", self.plateau.level),
                ("noise", self.plateau.noise),
                ("line", line),
            )
            self.onset = Marker("onset", first_step, self.name, first_value, why)
            self.rise = _Rise(self.lines, line, [v for _, v in self.crossing])
            self.crossing.clear()

    def _watch_for_grokking(self, step: int, value: float) -> None:
        if value < self.lines.test:
            self.above.clear()
            return
        self.above.append(step)
        if len(self.above) == self.lines.sustained:
            first = self.above[0]
            self.grokked = Marker("grokked", first, self.name, float(first - self.memorised))

    def _watch_for_collapse(self, step: int, value: float) -> None:
        if self.collapsed is not None:
            return
        if value >= self.lines.test:
            self.below.clear()
            return
        self.below.append((step, value))
        if len(self.below) == self.lines.sustained:
            self.collapsed = Marker("collapsed", self.below[0][0], self.name, self.below[0][1])


class _Plateau:
    """Where test accuracy rests, and how much it wavers there."""

    def __init__(self, lines: Thresholds, chance: float, values: Iterable[float] = ()) -> None:
        self._lines, self._chance = lines, chance
        self._values: list[float] = []
        self._measured_at = 0
        self.level = self.noise = 0.0
        self.add(values)

    def add(self, values: Iterable[float]) -> None:
        self._values.extend(values)

    def line(self) -> float | None:
        """The accuracy above which a rise begins; None while the plateau is too short to tell."""
        n = len(self._values)
        if n < self._lines.sustained:
            return None
        if n > self._measured_at * _REESTIMATE:
            self.level = median(self._values)
            self.noise = _MAD_TO_SD * median(abs(v - self.level) for v in self._values)
            self._measured_at = n
        height = max(self._lines.rise, self._lines.noise * self.noise)
        return max(self.level, self._chance) + height


class _Rise:
    """A rise since its onset: how high it got, and whether it falls back."""

    def __init__(self, lines: Thresholds, line: float, values: Sequence[float]) -> None:
        self._lines, self._line = lines, line
        self._recent = list(values)
        self._peak = min(values)
        self.fallen: list[float] = []

    def falls_back(self, value: float) -> bool:
        """Whether the last `sustained` values all lie below the height that was once held.

        Height is held when as many consecutive values reach it: a blip raises no peak.
        """
        self._recent = [*self._recent[1:], value]
        self._peak = max(self._peak, min(self._recent))
        if value > self._line and value >= self._peak - self._lines.fall:
            self.fallen.clear()
            return False
        self.fallen.append(value)
        return len(self.fallen) == self._lines.sustained
