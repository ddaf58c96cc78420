"""Threads that share work: each part once, errors told, nobody waited for in vain."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from engine.kernels.team import LOOKS, Team, team_of
from engine.kernels.watching import watch


@pytest.fixture
def team() -> Team:
    return Team(3)


def _numbers(team: Team) -> list[tuple[int, str]]:
    """Which parts are done, and by which threads."""
    done: list[tuple[int, str]] = []
    team.do(lambda part: done.append((part, threading.current_thread().name)))
    return sorted(done)


def test_each_thread_does_its_own_part_and_the_caller_the_first(team: Team):
    own = threading.current_thread().name
    for _ in range(100):
        assert _numbers(team) == [(0, own), (1, "loops 1"), (2, "loops 2")]


def test_all_is_done_when_the_call_returns_however_long_a_part_takes(team: Team):
    done = [False] * 3

    def slow(part: int) -> None:
        time.sleep(0.02 * part)
        done[part] = True

    team.do(slow)
    assert done == [True] * 3


def test_threads_that_have_gone_to_sleep_are_woken_up(team: Team):
    team.do(lambda _: None)
    time.sleep(0.2)  # far longer than they watch
    assert [part for part, _ in _numbers(team)] == [0, 1, 2]


@pytest.mark.parametrize("raising", [0, 2])
def test_an_error_of_one_part_reaches_the_caller_when_the_others_are_done(
    team: Team, raising: int
):
    done: list[int] = []

    def part(number: int) -> None:
        if number == raising:
            raise KeyError(number)
        time.sleep(0.02)
        done.append(number)

    with pytest.raises(KeyError, match=str(raising)):
        team.do(part)
    assert sorted(done) == [each for each in range(3) if each != raising]
    assert [each for each, _ in _numbers(team)] == [0, 1, 2]


def test_a_part_that_shares_its_work_does_it_alone(team: Team):
    inner: list[tuple[int, str]] = []

    def outer(part: int) -> None:
        if part == 1:
            team.do(lambda each: inner.append((each, threading.current_thread().name)))

    team.do(outer)
    assert inner == [(0, "loops 1"), (1, "loops 1"), (2, "loops 1")]


def test_callers_that_come_together_each_get_all_of_their_parts_done(team: Team):
    def call(found: list[int]) -> Callable[[], None]:
        def many() -> None:
            for _ in range(200):
                team.do(found.append)

        return many

    answers: list[list[int]] = [[] for _ in range(4)]
    callers = [threading.Thread(target=call(found)) for found in answers]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    for found in answers:
        assert sorted(found) == sorted([0, 1, 2] * 200)


def test_a_process_has_one_team_of_a_size():
    assert team_of(2) is team_of(2)
    assert team_of(2) is not team_of(3)


def test_who_watches_sees_what_another_thread_writes_meanwhile():
    numbers = np.zeros(4, np.int64)

    def write() -> None:
        time.sleep(0.05)
        numbers[2] = 1

    writer = threading.Thread(target=write)
    writer.start()
    watch(numbers, 2, 0, 2**62)  # would never end
    writer.join()


def test_who_watches_gives_up_after_some_looks():
    watch(np.zeros(1, np.int64), 0, 0, LOOKS)
