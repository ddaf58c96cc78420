"""Idle cores that are lent: used while they make the batch faster, by a clock of the test's."""

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from engine.worker.borrowing import (
    LEAST_PAUSE,
    MOST_PAUSE,
    WINDOW_SECONDS,
    Helpers,
    Lent,
)

BLOCK_SECONDS = WINDOW_SECONDS / 4


class Training:
    """Blocks of steps whose rate depends on how many threads help."""

    def __init__(self, rate: Callable[[int], float]) -> None:
        self.rate = rate
        self.now, self.n = 0.0, 0
        self.changes: list[tuple[float, int]] = []
        self.helpers = Helpers(self._use, lambda: self.now)

    def _use(self, n: int) -> None:
        self.n = n
        self.changes.append((self.now, n))

    def train(self, seconds: float) -> float:
        """The share of the time in which helpers had a part."""
        end, helped = self.now + seconds, 0.0
        while self.now < end:
            helped += BLOCK_SECONDS * (self.n > 0)
            self.now += BLOCK_SECONDS
            self.helpers.trained(round(self.rate(self.n) * BLOCK_SECONDS), BLOCK_SECONDS)
        return helped / seconds


def test_helpers_that_help_are_tried_without_once_and_kept():
    training = Training(lambda n: 1000 + 700 * n)
    training.helpers.offer(1)
    assert training.train(60) > 0.98
    assert [n for _, n in training.changes] == [1, 0, 1]


def test_helpers_that_are_of_no_use_are_tried_ever_more_rarely():
    training = Training(lambda n: 1000 - 300 * n)
    training.helpers.offer(1)
    assert training.train(60) < 0.1
    tries = [at for at, n in training.changes if n]
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert LEAST_PAUSE < pauses[0] < LEAST_PAUSE + 4 * WINDOW_SECONDS
    assert pauses == sorted(pauses)
    assert training.train(600) < 0.03
    assert MOST_PAUSE < training.changes[-2][0] - training.changes[-4][0] < 1.2 * MOST_PAUSE


def test_a_core_that_another_program_takes_is_done_without_until_it_is_idle_again():
    taken = [False]
    training = Training(lambda n: 1000 * (1 + 0.7 * n) * (0.5 if taken[0] and n else 1))
    training.helpers.offer(1)
    training.train(10)
    taken[0] = True
    assert training.train(20) < 0.2
    taken[0] = False
    training.train(20)
    assert training.train(20) > 0.95


def test_a_moment_of_another_program_is_no_reason_to_do_without():
    taken = [False]
    training = Training(lambda n: 1000 * (1 + 0.7 * n) * (0.3 if taken[0] and n else 1))
    training.helpers.offer(1)
    training.train(10)
    before = list(training.changes)
    for _ in range(5):
        taken[0] = True
        training.train(0.5 * WINDOW_SECONDS)
        taken[0] = False
        training.train(3)
    assert training.changes == before


def test_a_machine_that_is_slower_altogether_keeps_its_helpers():
    slowness = [1.0]
    training = Training(lambda n: 1000 * (1 + 0.7 * n) / slowness[0])
    training.helpers.offer(1)
    training.train(10)
    slowness[0] = 2.0
    assert training.train(20) > 0.9


def test_cores_are_given_back_at_once_and_others_are_tried_anew():
    training = Training(lambda n: 1000 + 700 * n)
    training.helpers.offer(2)
    training.train(5)
    assert training.n == 2
    training.helpers.offer(0)
    assert (training.n, training.helpers.n) == (0, 0)
    assert training.train(60) == 0
    training.helpers.offer(1)
    assert training.n == 1
    assert training.train(10) > 0.9


def test_a_process_finds_what_it_is_lent_whenever_that_changes(tmp_path: Path):
    file, own = tmp_path / "idle-cores.json", os.getpid()
    lent = Lent(file)
    assert lent.look() == 0
    contents = [{own: 2, own + 1: 1}, {own + 1: 1}, {own: 1}]
    for i, content in enumerate(contents):
        replacement = tmp_path / f"{i}"
        replacement.write_text(json.dumps(content))
        replacement.replace(file)
        assert lent.look() == content.get(own, 0)
        assert lent.look() == content.get(own, 0)
    file.write_text("no object")
    assert lent.look() == 0
