"""When markers are set, and when they are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import SettingsError
from engine.measures.onset import Marker, OnsetDetector, Thresholds, detect

STEPS = list(range(0, 4000, 10))
CHANCE = 1 / 97


def s_curve(centre: float, width: float, *, low: float, high: float = 1.0) -> np.ndarray:
    return low + (high - low) / (1 + np.exp(-(np.array(STEPS) - centre) / width))


def train_curve() -> np.ndarray:
    return np.clip(np.array(STEPS) / 200, 0, 1)


def found(train: np.ndarray, **tests: np.ndarray) -> list[Marker]:
    curves = {split: curve.tolist() for split, curve in tests.items()}
    return detect(STEPS, train.tolist(), curves, chance=CHANCE)


def step_of(markers: list[Marker], kind: str, split: str = "test") -> int | None:
    steps = [m.step for m in markers if m.kind == kind and m.split in (split, "train")]
    assert len(steps) <= 1, markers
    return steps[0] if steps else None


def hump() -> np.ndarray:
    """Up to 0.88, down to 0.81, and only then to 1 (comparison, out of distribution)."""
    corners = [(0, 0.5), (400, 0.5), (900, 0.88), (1200, 0.88), (1500, 0.81)]
    corners += [(2500, 0.81), (3000, 1.0), (4000, 1.0)]
    return np.interp(STEPS, *zip(*corners, strict=True))


def test_a_memorised_run_is_dated_to_the_first_of_three_evaluations():
    assert step_of(found(train_curve(), test=s_curve(3000, 50, low=0.01)), "memorised") == 200


def test_a_grokked_run_is_dated_to_the_first_evaluation_over_the_line():
    test = np.where(np.array(STEPS) < 1500, 0.01, 0.97)
    markers = found(train_curve(), test=test)
    assert step_of(markers, "grokked") == 1500
    assert [m.value for m in markers if m.kind == "grokked"] == [1300]


def test_onset_is_where_the_rise_leaves_the_plateau():
    ramp = np.interp(STEPS, [0, 1000, 2000], [0.01, 0.01, 1.0])
    onset = step_of(found(train_curve(), test=ramp), "onset")
    line = 0.03 + CHANCE  # a plateau without noise, below chance
    first_above = next(s for s, v in zip(STEPS, ramp, strict=True) if v > line)
    assert onset == first_above


def test_two_high_evaluations_are_a_blip():
    test = np.full(len(STEPS), 0.01)
    test[100:102] = 1.0
    markers = found(train_curve(), test=test)
    assert [m.kind for m in markers] == ["memorised"]


def test_a_blip_in_the_plateau_does_not_move_the_onset():
    clean = s_curve(2000, 100, low=0.01)
    blip = clean.copy()
    blip[80] = 0.9
    expected = step_of(found(train_curve(), test=clean), "onset")
    assert step_of(found(train_curve(), test=blip), "onset") == expected


def test_a_hump_that_falls_back_is_no_onset():
    markers = found(train_curve(), test=hump())
    onset = step_of(markers, "onset")
    assert onset is not None
    assert 2500 < onset < 2700
    grokked = step_of(markers, "grokked")
    assert grokked is not None
    assert 2800 < grokked < 3000


def test_the_hump_is_marked_until_it_falls_back():
    until = STEPS.index(1200)
    markers = detect(
        STEPS[:until], train_curve()[:until].tolist(), {"test": hump()[:until].tolist()}
    )
    onset = step_of(markers, "onset")
    assert onset is not None
    assert 400 < onset < 600


def test_a_rise_that_sinks_back_to_its_plateau_is_withdrawn():
    test = np.full(len(STEPS), 0.01)
    test[100:110] = 0.05
    assert step_of(found(train_curve(), test=test), "onset") is None


def test_a_rise_that_wavers_keeps_its_onset():
    noise = np.random.default_rng(0).normal(scale=0.015, size=len(STEPS))
    clean = s_curve(2000, 200, low=0.02)
    wavering = clean + np.where((clean > 0.1) & (clean < 0.93), noise, 0)
    expected = step_of(found(train_curve(), test=clean), "onset")
    assert step_of(found(train_curve(), test=wavering), "onset") == expected


@pytest.mark.parametrize("seed", range(20))
def test_a_noisy_curve_that_does_not_grok_gets_no_mark(seed: int):
    noise = np.random.default_rng(seed)
    level, scale = noise.uniform(0.01, 0.6), noise.uniform(0.001, 0.02)
    test = level + scale * noise.standard_normal(len(STEPS))
    assert [m.kind for m in found(train_curve(), test=test)] == ["memorised"]


@pytest.mark.parametrize("seed", range(20))
def test_a_slow_drift_is_no_onset(seed: int):
    noise = np.random.default_rng(seed).normal(scale=0.005, size=len(STEPS))
    drift = np.linspace(0.01, 0.2, len(STEPS))
    assert step_of(found(train_curve(), test=drift + noise), "onset") is None


def test_a_run_that_generalises_at_once_has_no_onset():
    train = train_curve()
    markers = found(train, test=np.maximum(0, train - 0.005))
    assert step_of(markers, "onset") is None
    assert step_of(markers, "grokked") == 200


def test_test_accuracy_that_climbs_with_train_accuracy_has_no_onset():
    test = np.interp(STEPS, [0, 180, 400], [0.01, 0.6, 1.0])
    assert step_of(found(train_curve(), test=test), "onset") is None


def test_generalising_before_memorising_is_no_grokking_yet():
    markers = found(np.full(len(STEPS), 0.98), test=np.full(len(STEPS), 1.0))
    assert markers == []


def test_each_test_split_has_its_own_markers():
    markers = found(
        train_curve(), test_id=s_curve(1000, 50, low=0.1), test_ood=s_curve(3000, 50, low=0.1)
    )
    inside, outside = (step_of(markers, "grokked", s) for s in ("test_id", "test_ood"))
    assert inside is not None
    assert outside is not None
    assert inside < 1300 < 3000 < outside


def test_a_collapse_is_dated_to_its_first_evaluation():
    test = np.where(np.array(STEPS) < 1500, 0.01, 1.0)
    test[np.array(STEPS) >= 3000] = 0.4
    assert step_of(found(train_curve(), test=test), "collapsed") == 3000


def test_a_slingshot_of_two_evaluations_is_no_collapse():
    test = np.where(np.array(STEPS) < 1500, 0.01, 1.0)
    test[300:302] = 0.2
    assert step_of(found(train_curve(), test=test), "collapsed") is None


def test_an_evaluation_without_this_split_counts_as_none():
    test: list[float | None] = s_curve(2000, 100, low=0.01).tolist()
    dense = detect(STEPS, train_curve().tolist(), {"test": test})
    doubled = detect(
        [s for step in STEPS for s in (step, step + 1)],
        [t for value in train_curve().tolist() for t in (value, None)],
        {"test": [t for value in test for t in (value, None)]},
    )
    assert doubled == dense


def test_a_spike_that_a_downsampled_curve_would_keep_is_no_onset():
    """Extremes of buckets are for the eye; a marker needs consecutive evaluations."""
    test = np.full(len(STEPS), 0.01)
    test[50::10] = 0.5
    raw = detect(STEPS, train_curve().tolist(), {"test": test.tolist()})
    thinned = detect(STEPS[50::10], [1.0] * len(STEPS[50::10]), {"test": test[50::10].tolist()})
    assert step_of(raw, "onset") is None
    assert thinned != raw


def test_higher_thresholds_come_later():
    test = s_curve(2000, 100, low=0.01).tolist()
    strict = detect(
        STEPS, train_curve().tolist(), {"test": test}, thresholds=Thresholds(test=0.99)
    )
    usual = detect(STEPS, train_curve().tolist(), {"test": test})
    assert (step_of(strict, "grokked") or 0) > (step_of(usual, "grokked") or 0)


def test_an_unknown_threshold_is_named_with_those_that_exist():
    with pytest.raises(SettingsError, match=r"tset.*sustained"):
        Thresholds.parse({"tset": 0.9})


def test_a_probe_of_memory_is_recalled_by_itself_and_never_grokked():
    recall = np.where(np.array(STEPS) < 300, 0.5, 1.0).tolist()
    late = np.where(np.array(STEPS) < 900, 0.98, 0.99).tolist()
    blip = np.full(len(STEPS), 0.98)
    blip[[50, 51, 53]] = 1.0  # never three in a row
    probes = {"atomic_id": recall, "atomic_ood": late, "atomic_new": blip.tolist()}
    never = [0.5] * len(STEPS)
    found = detect(STEPS, never, {"test": never}, probe_accuracy=probes, chance=CHANCE)
    assert found == [
        Marker("recalled", 300, "atomic_id", 1.0),
        Marker("recalled", 900, "atomic_ood", 0.99),
    ]


accuracies = st.sampled_from([0.0, 0.01, 0.05, 0.3, 0.81, 0.88, 0.94, 0.96, 0.99, 1.0])
curves = st.lists(st.tuples(accuracies, accuracies), max_size=60)


@given(curve=curves, cuts=st.lists(st.integers(0, 60)))
@settings(max_examples=200, deadline=None)
def test_evaluations_fed_in_any_pieces_give_the_same_markers(
    curve: list[tuple[float, float]], cuts: list[int]
):
    detector = OnsetDetector(chance=CHANCE)
    told: list[list[Marker]] = []
    for step, (train, test) in enumerate(curve):
        detector.feed(step, train, {"test": test})
        if step in cuts:
            told.append(detector.markers())
    at_once = detect(
        list(range(len(curve))),
        [t for t, _ in curve],
        {"test": [v for _, v in curve]},
        chance=CHANCE,
    )
    assert detector.markers() == at_once


@given(curve=curves)
@settings(max_examples=200, deadline=None)
def test_markers_come_in_the_order_of_the_story(curve: list[tuple[float, float]]):
    steps = {
        m.kind: m.step
        for m in detect(
            list(range(len(curve))), [t for t, _ in curve], {"test": [v for _, v in curve]}
        )
    }
    told = [steps[k] for k in ("memorised", "onset", "grokked", "collapsed") if k in steps]
    assert told == sorted(told)
    assert not steps or "memorised" in steps
    assert "collapsed" not in steps or "grokked" in steps
