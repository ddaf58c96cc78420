"""When runs are measured: the promises of the schedule, for any budget and interval."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.trainer.cadence import Cadence

cadences = st.builds(Cadence, last=st.integers(1, 3_000), eval_every=st.integers(1, 400))
unhurried = settings(deadline=None, max_examples=50)


def steps_of(cadence: Cadence, start: int = 0) -> list[int]:
    steps, step = [], start
    while step < cadence.last:
        step = cadence.evaluation(step)
        steps.append(step)
    return steps


@unhurried
@given(cadences)
def test_the_last_step_is_evaluated(cadence: Cadence) -> None:
    assert steps_of(cadence)[-1] == cadence.last


@unhurried
@given(cadences)
def test_steps_one_to_ten_are_each_evaluated(cadence: Cadence) -> None:
    first = range(1, min(10, cadence.last) + 1)
    assert steps_of(cadence)[: len(first)] == list(first)


@unhurried
@given(cadences)
def test_evaluations_are_never_further_apart_than_the_interval(cadence: Cadence) -> None:
    steps = [0, *steps_of(cadence)]
    assert all(0 < b - a <= cadence.eval_every for a, b in pairwise(steps))


@unhurried
@given(cadences)
def test_a_decade_holds_about_forty_evaluations_until_the_interval_is_denser(
    cadence: Cadence,
) -> None:
    log_spaced = [s for s in steps_of(cadence) if s > 10 and s < 17 * cadence.eval_every]
    for start in (10, 100, 1000):
        decade = [s for s in log_spaced if start < s <= 10 * start]
        multiples = 10 * start // cadence.eval_every + 1
        assert len(decade) <= 40 + multiples


@unhurried
@given(cadences, st.integers(0, 3_000))
def test_a_resumed_run_is_evaluated_at_the_same_later_steps(cadence: Cadence, step: int) -> None:
    later = [s for s in steps_of(cadence) if s > step]
    assert steps_of(cadence, start=step) == later


@unhurried
@given(cadences, st.integers(0, 2_999))
def test_something_due_always_lies_ahead_and_within_the_budget(
    cadence: Cadence, step: int
) -> None:
    step = min(step, cadence.last - 1)
    assert step < cadence.following(step) <= cadence.evaluation(step) <= cadence.last
    assert step < cadence.snapshot(step) <= cadence.last
    assert step < cadence.checkpoint(step) <= cadence.last


@unhurried
@given(cadences)
def test_snapshots_stay_few(cadence: Cadence) -> None:
    steps = [0]
    while steps[-1] < cadence.last:
        steps.append(cadence.snapshot(steps[-1]))
    assert len(steps) <= 200 + 8 * 4 + 2


def test_checkpoints_worth_keeping_are_four_a_decade() -> None:
    cadence, steps = Cadence(last=10_000, eval_every=100), [0]
    while steps[-1] < cadence.last:
        steps.append(cadence.checkpoint(steps[-1]))
    assert steps[1:] == [100, 178, 316, 562, 1000, 1778, 3162, 5623, 10_000]
