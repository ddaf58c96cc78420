"""How measurements take turns, and what is told of them."""

import time
from collections.abc import Sequence

import pytest

from engine.bench.training.rounds import CALIBRATION_SECONDS, Arm, Rates, alternate


def test_arms_take_turns_and_do_the_same_steps_in_each_round():
    done: list[tuple[str, int]] = []

    def arm(name: str) -> Arm:
        def train(n_steps: int) -> None:
            done.append((name, n_steps))
            time.sleep(0.002 * n_steps)

        return Arm(train)

    found = alternate({"a": arm("a"), "b": arm("b")}, seconds=0.02, rounds=3)
    turns = done[-6:]
    assert [name for name, _ in turns] == ["a", "b"] * 3
    assert {n for name, n in turns if name == "a"} == {found["a"].n_steps}
    assert all(len(each.wall) == len(each.cpu) == 3 for each in found.values())


def test_steps_are_counted_out_in_whole_periods():
    done: list[int] = []

    def train(n_steps: int) -> None:
        done.append(n_steps)
        time.sleep(0.0001 * n_steps)

    found = alternate({"a": Arm(train, period=7)}, seconds=0.01, rounds=1)
    assert found["a"].n_steps % 7 == 0
    assert all(n % 7 == 0 for n in done)


def test_rounds_become_fewer_where_a_step_takes_longer_than_its_turn():
    done: list[int] = []

    def train(n_steps: int) -> None:
        done.append(n_steps)
        time.sleep(0.03 * n_steps)

    found = alternate({"slow": Arm(train)}, seconds=0.001, rounds=5)
    assert len(found["slow"].wall) == 1
    assert done == [1, 1, 1]


def rates(wall: Sequence[int], cpu: Sequence[int] = ()) -> Rates:
    return Rates(1, [float(n) for n in wall], [float(n) for n in cpu])


def test_a_ratio_is_of_rounds_and_not_of_medians():
    ours, theirs = rates([10, 100, 30], [1, 1, 1]), rates([1, 50, 10], [2, 4, 8])
    assert ours.times(theirs) == 3
    assert ours.per_second / theirs.per_second == 3
    assert rates([10, 100, 30]).times(rates([10, 1, 30])) == 1
    assert ours.times_by_cpu(theirs) == 0.25
    assert ours.spread == 3


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_round_lasts_about_as_long_as_it_should(share: float):
    def train(n_steps: int) -> None:
        time.sleep(0.001 * n_steps)

    seconds = 2 * CALIBRATION_SECONDS
    found = alternate({"a": Arm(train, share=share)}, seconds=seconds, rounds=1)
    assert found["a"].n_steps <= seconds * share / 0.001 + 1
    assert found["a"].n_steps > 0.2 * seconds * share / 0.001
